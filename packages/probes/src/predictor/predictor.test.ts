import { expect, test } from 'vitest';
import { gridPoints } from './grid.ts';
import { pythonRandom } from './python-random.ts';

test('Python’s generator and shuffle, seed 42', () => {
  const order = Array.from({ length: 16 }, (_, i) => i);
  pythonRandom(42).shuffle(order);
  expect(order).toEqual([7, 9, 5, 6, 14, 10, 12, 8, 1, 2, 13, 15, 4, 11, 0, 3]);
  const fast = Array.from({ length: 64 }, (_, i) => i);
  pythonRandom(42).shuffle(fast);
  expect(fast.slice(0, 8)).toEqual([23, 25, 7, 22, 45, 33, 19, 59]);
});

test('the eight points and their order are HEAR’s', () => {
  const short = gridPoints('default').map((point) => [point.hiddenLayers, point.initialization.slice(7, -1), point.lr]);
  expect(short).toEqual([
    [1, 'normal', 1e-4],
    [2, 'uniform', 1e-3],
    [1, 'normal', 1e-3],
    [1, 'normal', 3.2e-4],
    [2, 'normal', 3.2e-4],
    [2, 'uniform', 3.2e-4],
    [2, 'normal', 3.2e-3],
    [2, 'uniform', 3.2e-3],
  ]);
});

test('a task’s metadata replaces entries of the grid and nothing else', () => {
  const maestro = { task_specific_param_grid: { max_epochs: [50], check_val_every_n_epoch: [1] } };
  const points = gridPoints('default', maestro);
  expect(points.map(({ lr }) => lr)).toEqual(gridPoints('default').map(({ lr }) => lr));
  expect(points.every((point) => point.maxEpochs === 50 && point.checkValEveryNEpoch === 1)).toBe(true);
  expect(() => gridPoints('default', { task_specific_param_grid: { max_epochs: 'many' } })).toThrow(
    'evaluation_params',
  );
});
