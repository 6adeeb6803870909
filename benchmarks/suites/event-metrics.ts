/** Event metrics on 200 files of 1,000 events, and HEAR's post-processing of a MAESTRO fold. */
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { writeJsonAtomic } from '@unlabel/formats';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const folder = join(tmpdir(), 'unlabel-bench-events');
const files = 200;
const events = 1000;
const labels = 20;

/** Ten minutes a file; each event found with jittered onset and offset four times in five, and as many made up. */
async function writeData(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rng = createRng(1);
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  const pairs = Array.from({ length: files }, () => {
    const reference = Array.from({ length: events }, () => {
      const start = round(rng.range(0, 598_000));
      return { label: rng.int(labels), start, end: round(start + rng.range(50, 2000)) };
    });
    const estimated = reference
      .filter(() => rng.chance(0.8))
      .map(({ label, start, end }) => ({
        label,
        start: Math.max(0, round(start + 60 * rng.normal())),
        end: round(end + 100 + Math.abs(100 * rng.normal())),
      }));
    while (estimated.length < events) {
      const start = round(rng.range(0, 598_000));
      estimated.push({ label: rng.int(labels), start, end: round(start + rng.range(50, 2000)) });
    }
    return { reference, estimated };
  });
  await writeJsonAtomic(join(folder, 'pairs.json'), pairs);
}

export const eventMetrics: Suite = {
  name: 'event-metrics',
  description:
    `${files} files of ${events} annotated and ${events} found events of ${labels} labels: F-measure with an onset collar of 200 ms ` +
    '(`onset`), of 50 ms with offsets (`offset`), segment error rate (`segments`). `maestro`, ours alone: median filter, thresholds and ' +
    'onset F-measure of 37 files of 120 s at 20 ms with 88 labels, what one validation of that task takes. Both sides report the scores.',
  works: ['onset', 'offset', 'segments', 'maestro'],
  repetitions: 3,
  prepare: writeData,
  contenders: async ({ python }) => [
    ours('event-metrics.ts', 'auto', [folder]),
    ...peer('sed_eval', 'event_metrics.py', python, [folder]),
  ],
};
