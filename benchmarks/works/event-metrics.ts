/** Our side of `event-metrics`. */
import { join } from 'node:path';
import { createRng, type TaskEvent } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import { eventMetricOf, eventsOfFrames, type EventPair } from '@unlabel/probes';
import { serve, timed } from '../lib/serve.ts';

const folder = process.argv[2]!;
const pairs = (await readJson(join(folder, 'pairs.json'))) as EventPair[]; // written by the suite
const names = {
  onset: 'event_onset_200ms_fms',
  offset: 'event_onset_offset_50ms_20perc_fms',
  segments: 'segment_1s_er',
} as const;
const score = (name: string): number => eventMetricOf(name).compute(pairs).value;

/** A fold of MAESTRO: notes of piano music over 88 pitches, scores near their frames, noise elsewhere. */
const [files, frames, pitches] = [37, 6000, 88];
const rng = createRng(2);
const timestamps = Float64Array.from({ length: frames }, (_, t) => 10 + 20 * t);
const recordings = Array.from({ length: files }, () => {
  const scores = Float64Array.from({ length: frames * pitches }, () => 0.4 * rng.uniform());
  const reference: TaskEvent[] = Array.from({ length: 900 }, () => {
    const [label, first] = [rng.int(pitches), rng.int(frames - 60)];
    const length = 5 + rng.int(50);
    for (let t = first; t < first + length; t++) scores[t * pitches + label] = 0.5 + 0.5 * rng.uniform();
    return { label, start: timestamps[first]!, end: timestamps[first + length]! };
  });
  return { scores, reference };
});
const maestro = (): number =>
  eventMetricOf('event_onset_50ms_fms').compute(
    recordings.map(({ scores, reference }) => ({
      reference,
      estimated: eventsOfFrames(scores, timestamps, pitches, { medianFilterMs: 150, minDuration: 50 }),
    })),
  ).value;

await serve(
  {
    node: process.version,
    ...Object.fromEntries(Object.entries(names).map(([work, name]) => [work, score(name)])),
    maestro: maestro(),
  },
  {
    onset: () => timed(() => void score(names.onset)),
    offset: () => timed(() => void score(names.offset)),
    segments: () => timed(() => void score(names.segments)),
    maestro: () => timed(() => void maestro()),
  },
);
