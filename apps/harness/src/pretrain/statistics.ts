/** Mean and deviation of front-end values over a training set that is not cached: from evenly spread items. */
import { createRng, type InputSpec } from '@unlabel/core';
import type { Display } from '../display/display.ts';
import type { Item } from './items.ts';
import { createSource, type Normalization } from './source.ts';

/** Enough that the mean of log-mel values is known to about a hundredth of its deviation. */
const measuredItems = 1000;

export async function measureNormalization(
  items: readonly Item[],
  input: InputSpec,
  display: Display,
): Promise<Normalization> {
  const count = Math.min(items.length, measuredItems);
  const source = createSource({ items, input, normalization: undefined });
  const progress = display.task('measure statistics', count, 'recordings');
  const rng = createRng(0).fork('statistics');
  let [sum, squares, n] = [0, 0, 0];
  try {
    for (let i = 0; i < count; i++) {
      const item = Math.floor((i * items.length) / count);
      for (const { data } of Object.values(await source.sample(item, rng.fork(item)))) {
        for (const value of data) {
          sum += value;
          squares += value * value;
        }
        n += data.length;
      }
      progress.update(i + 1);
    }
  } finally {
    source.close();
  }
  const mean = sum / n;
  const std = Math.sqrt(Math.max(squares / n - mean * mean, 1e-12));
  progress.finish(`mean ${mean.toFixed(3)}, deviation ${std.toFixed(3)}`);
  return { mean, std };
}
