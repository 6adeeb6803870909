/** HEAR's predictor on the four directories that hear-eval-kit scored. */
import type { Suite } from '../lib/measure.ts';
import { ours } from './sides.ts';

/** Another side of the same script. */
const side = (label: string, engine: string, argument: string): ReturnType<typeof ours> => ({
  ...ours('predictor.ts', engine, [argument]),
  label,
});

export const predictor: Suite = {
  name: 'predictor',
  description:
    '`unlabel predict` (hear-faithful/v1, eight grid points, the whole command) on four embedding directories of about 600 rows of ' +
    'width 64, beside the seconds that hear-eval-kit took on two cores of the same kind when it made the fixtures; those do not vary.',
  works: ['toyclass-v1-full', 'toytags-v1-full', 'toyevents-v1-full', 'toyfolds-v1-full'],
  repetitions: 1,
  contenders: ({ engine }) =>
    Promise.resolve([
      ...(engine === 'auto' ? ['wasm', 'tensorflow'] : [engine]).map((name) => side(`ours (${name})`, name, name)),
      side('hear-eval-kit (recorded)', 'auto', 'recorded'),
    ]),
};
