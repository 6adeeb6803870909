/**
 * HEAR's official predictor as two protocols. `hear-faithful/v1` does what heareval 2021.1.3 does, oddities included;
 * `hear-better/v1` keeps its network and grid and mends the procedure. Their scores differ and never share a board.
 */
import { z } from 'zod';
import type { Protocol } from '../protocol-types.ts';
import { gridNames } from './grid.ts';
import type { Variant } from './variant.ts';

const optionsSchema = z.strictObject({
  grid: z.enum(gridNames).default('default').meta({ title: 'Grid of HEAR’s command line: default, fast, faster' }),
  points: z.int().min(1).max(64).default(8).meta({ title: 'Grid points tried' }),
});

function predictor(id: string, title: string, variant: Variant): Protocol {
  return {
    id,
    title,
    options: optionsSchema,
    needsEngine: true,
    takesEvents: true,
    officialOrder: true,
    searchesFirstFoldOnly: variant.searchFirstFoldOnly,
    async fit(input, given) {
      const { fitPredictor } = await import('./fit.ts'); // brings the engine, which other protocols do without
      return fitPredictor(input, optionsSchema.parse(given), variant);
    },
    async warm(input, given, share) {
      const { warmPredictor } = await import('./fit.ts');
      await warmPredictor(input, optionsSchema.parse(given), variant, share);
    },
  };
}

export const hearFaithful = predictor('hear-faithful/v1', 'HEAR 2021’s official predictor, its oddities included', {
  shuffle: false,
  standardize: false,
  searchFirstFoldOnly: true,
});

export const hearBetter = predictor(
  'hear-better/v1',
  'HEAR’s network and grid; standardised, shuffled, chosen within each fold',
  { shuffle: true, standardize: true, searchFirstFoldOnly: false },
);
