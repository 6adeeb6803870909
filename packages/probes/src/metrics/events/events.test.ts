import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createRng, type GoldenFile, type GoldenTools, type NdArray, type TaskEvent } from '@unlabel/core';
import { parseSafetensors } from '@unlabel/formats';
import { describe, expect, test } from 'vitest';
import { metricValues } from '../../bootstrap.ts';
import { eventGoldens } from './goldens.ts';
import { maximumMatching } from './matching.ts';
import { medianFilter } from './median-filter.ts';
import { eventsOfFrames, postprocessingGrid } from './post-processing.ts';
import { eventMetricOf, eventMetrics } from './table.ts';

const folder = fileURLToPath(new URL('../../../fixtures/events', import.meta.url));

async function toolsOf(name: string): Promise<GoldenTools> {
  const tensors = parseSafetensors(await readFile(`${folder}/${name}.safetensors`));
  return { dir: folder, stored: (key: string) => tensors.read(key) } as unknown as GoldenTools;
}

/** heareval 2021.1.3 with sed_eval 0.2.1 and scipy 1.17.1; both sides are float64. */
describe.each(['hear-event-lists', 'hear-event-metrics', 'hear-median-filter'])('%s', (name) => {
  test('equals the official tool to 1e-12', async () => {
    const golden = JSON.parse(await readFile(`${folder}/${name}.json`, 'utf8')) as GoldenFile;
    const target = eventGoldens[name]!;
    const tools = name === 'hear-event-metrics' ? await toolsOf(name) : ({ dir: folder } as GoldenTools);
    const found = await target.run(golden, tools);
    const expected = Object.entries(target.expected(golden));
    expect(expected.length).toBeGreaterThan(50);
    for (const [key, value] of expected) {
      const [a, b] = [found[key], value].map((one) => (typeof one === 'number' ? [one] : [...(one as NdArray).data]));
      expect(a, key).toHaveLength(b!.length);
      a!.forEach((x, i) => {
        const y = b![i]!;
        if (!(Number.isNaN(x) && Number.isNaN(y)))
          expect(Math.abs(Number(x) - Number(y)), key).toBeLessThanOrEqual(1e-12);
      });
    }
  });
});

test('the matching is as large as the best of all permutations', () => {
  const rng = createRng(3);
  for (let trial = 0; trial < 200; trial++) {
    const [lefts, rights] = [1 + Math.floor(rng.uniform() * 6), 1 + Math.floor(rng.uniform() * 6)];
    const neighbours = Array.from({ length: lefts }, () =>
      Array.from({ length: rights }, (_, u) => u).filter(() => rng.uniform() < 0.35),
    );
    const best = (v: number, taken: number): number => {
      if (v === lefts) return 0;
      const options = neighbours[v]!.filter((u) => !(taken & (1 << u))).map((u) => 1 + best(v + 1, taken | (1 << u)));
      return Math.max(best(v + 1, taken), ...options);
    };
    expect(maximumMatching(neighbours, rights)).toBe(best(0, 0));
  }
});

test('a chain that must be turned over whole is matched without recursion', () => {
  // Vertex i may take i or i + 1 and the last only the first one: the greedy matching of 0…n − 2 blocks it.
  const n = 20_000;
  const neighbours = Array.from({ length: n }, (_, i) => (i === n - 1 ? [0] : [i, i + 1]));
  expect(maximumMatching(neighbours, n)).toBe(n);
});

test('medians of even width take the upper middle; windows may be wider than the signal', () => {
  const x = [0.1, 0.9, 0.2, 0.8, 0.9, 0.3, 0.7, 0.6];
  expect([...medianFilter(x, 2)]).toEqual([0.1, 0.9, 0.9, 0.8, 0.9, 0.9, 0.7, 0.7]);
  expect([...medianFilter(x, 4)]).toEqual([0.9, 0.2, 0.8, 0.9, 0.8, 0.8, 0.7, 0.6]);
  expect([...medianFilter([1, 5], 9)]).toEqual([5, 5].map((_, i) => literal([1, 5], 9, i)));
  expect(() => medianFilter(x, 0)).toThrow('expected a width');
});

function literal(x: readonly number[], width: number, i: number): number {
  const window = Array.from({ length: width }, (_, k) => {
    let at = i - (width >> 1) + k;
    while (at < 0 || at >= x.length) at = at < 0 ? -1 - at : 2 * x.length - 1 - at;
    return x[at]!;
  });
  return window.sort((a, b) => a - b)[width >> 1]!;
}

test('frames become events from first to last active frame, the larger setting first in the grid', () => {
  const scores = [0.9, 0.9, 0.9, 0.1, 0.1, 0.5, 0.6, 0.2];
  const times = scores.map((_, t) => 50 * t);
  const all = { medianFilterMs: 0, minDuration: 0 };
  expect(eventsOfFrames(scores, times, 1, all)).toEqual([
    { label: 0, start: 0, end: 100 },
    { label: 0, start: 300, end: 300 },
  ]);
  expect(eventsOfFrames(scores, times, 1, { medianFilterMs: 0, minDuration: 100 })).toHaveLength(1);
  expect(eventsOfFrames([0.9], [25], 1, { medianFilterMs: 250, minDuration: 0 })).toHaveLength(1);
  expect(postprocessingGrid(undefined)).toEqual([
    { medianFilterMs: 250, minDuration: 250 },
    { medianFilterMs: 250, minDuration: 125 },
  ]);
  expect(() => postprocessingGrid({ event_postprocessing_grid: { min_duration: 'long' } })).toThrow(
    'evaluation_params',
  );
});

test('hear.md’s worked example', () => {
  const event = (label: number, start: number, end: number): TaskEvent => ({
    label,
    start: start * 1000,
    end: end * 1000,
  });
  const pairs = [
    {
      reference: [event(0, 1, 2), event(0, 1.15, 1.6), event(1, 3, 4.5), event(2, 5.2, 5.9)],
      estimated: [event(0, 1.2, 2.1), event(0, 1.3, 1.65), event(2, 3.05, 4.4), event(2, 5.24, 5.95), event(2, 7, 7.4)],
    },
    { reference: [event(1, 0.5, 0.9)], estimated: [] },
  ];
  const score = (name: string): number => eventMetrics[name]!.compute(pairs).value;
  expect(score('event_onset_200ms_fms')).toBeCloseTo(0.6, 12);
  expect(score('event_onset_50ms_fms')).toBeCloseTo(0.2, 12);
  expect(score('event_onset_offset_50ms_20perc_fms')).toBeCloseTo(0.2, 12);
  expect(score('segment_1s_er')).toBeCloseTo(1, 12);
  expect(() => eventMetricOf('event_onset_20ms_fms')).toThrow('event_onset_200ms_fms');
});

test('files are resampled for the interval of an event metric', () => {
  const hit: TaskEvent = { label: 0, start: 1000, end: 2000 };
  const predictions = Array.from({ length: 40 }, (_, i) => ({
    fold: 0,
    file: `${i}.wav`,
    labels: [0],
    scores: [],
    events: { reference: [hit], estimated: [i % 4 === 0 ? { ...hit, start: 1500 } : hit] },
  }));
  const names = ['event_onset_200ms_fms', 'segment_1s_er'];
  const { event_onset_200ms_fms: f } = metricValues({ task: 't', predictions, classes: 1 }, names, { seed: 0 });
  expect(f!.value).toBeCloseTo(0.75, 12);
  expect(f!.low).toBeGreaterThan(0.55);
  expect(f!.high).toBeLessThan(0.9);
  const bare = predictions.map(({ fold, file, labels, scores }) => ({ fold, file, labels, scores }));
  expect(() => metricValues({ task: 't', predictions: bare, classes: 1 }, names, { seed: 0 })).toThrow('0.wav');
});
