/** Hyper-parameters HEAR's predictor tries, and in which order (hear.md §6.1; heareval 2021.1.3 `task_predictions.py`). */
import { ConfigError } from '@unlabel/core';
import { z } from 'zod';
import { pythonRandom } from './python-random.ts';

export interface GridPoint {
  readonly hiddenLayers: number;
  readonly hiddenDim: number;
  readonly dropout: number;
  readonly lr: number;
  readonly initialization: 'xavier_uniform_' | 'xavier_normal_';
  /** Validations without a better score after which a training ends. */
  readonly patience: number;
  readonly maxEpochs: number;
  readonly checkValEveryNEpoch: number;
  readonly batchSize: number;
}

/** Values by HEAR's names; Python enumerates the names alphabetically, the last one fastest. */
const base = {
  batch_size: [1024],
  check_val_every_n_epoch: [3],
  dropout: [0.1],
  embedding_norm: ['Identity'],
  hidden_dim: [1024],
  hidden_layers: [1, 2],
  hidden_norm: ['BatchNorm1d'],
  initialization: ['xavier_uniform_', 'xavier_normal_'],
  lr: [3.2e-3, 1e-3, 3.2e-4, 1e-4],
  max_epochs: [500],
  norm_after_activation: [false],
  optim: ['Adam'],
  patience: [20],
} as const;
type Values = { readonly [Name in keyof typeof base]: readonly (string | number | boolean)[] };

export const gridNames = ['default', 'fast', 'faster'] as const;
export type GridName = (typeof gridNames)[number];

const grids: Readonly<Record<GridName, Values>> = {
  default: base,
  fast: { ...base, max_epochs: [10, 50], check_val_every_n_epoch: [3, 10] },
  faster: {
    ...base,
    hidden_layers: [0, 1],
    hidden_dim: [64, 128],
    patience: [1, 3],
    max_epochs: [10],
    check_val_every_n_epoch: [1],
  },
};

/** What a task's metadata may say: `evaluation_params.task_specific_param_grid` replaces entries of any grid. */
const overridesSchema = z.looseObject({
  task_specific_param_grid: z
    .partialRecord(
      z.enum([
        'check_val_every_n_epoch',
        'max_epochs',
        'patience',
        'hidden_layers',
        'hidden_dim',
        'dropout',
        'lr',
        'batch_size',
      ]),
      z.array(z.number()).min(1),
    )
    .optional(),
});

const seed = 42;
export const pointsTried = 8;

/**
 * The points in the order they are tried: Python shuffles all combinations with seed 42 and takes the first eight. The seed is
 * set anew for every task, so they are the same for all of them.
 * @throws ConfigError for overrides that are not lists of numbers
 */
export function gridPoints(name: GridName, evaluationParams?: unknown, points = pointsTried): GridPoint[] {
  const parsed = overridesSchema.safeParse(evaluationParams ?? {});
  if (!parsed.success) throw new ConfigError(`task_metadata.json: evaluation_params: ${z.prettifyError(parsed.error)}`);
  const values: Values = { ...grids[name], ...parsed.data.task_specific_param_grid };
  const all = combinations(values);
  pythonRandom(seed).shuffle(all);
  return all.slice(0, points).map(pointOf);
}

type Combination = Readonly<Record<string, string | number | boolean>>;

function combinations(values: Values): Combination[] {
  let all: Combination[] = [{}];
  for (const name of Object.keys(values).sort() as (keyof Values)[]) {
    all = all.flatMap((head) => values[name].map((value) => ({ ...head, [name]: value })));
  }
  return all;
}

function pointOf(values: Combination): GridPoint {
  const number = (name: string): number => Number(values[name]);
  return {
    hiddenLayers: number('hidden_layers'),
    hiddenDim: number('hidden_dim'),
    dropout: number('dropout'),
    lr: number('lr'),
    initialization: values['initialization'] === 'xavier_normal_' ? 'xavier_normal_' : 'xavier_uniform_',
    patience: number('patience'),
    maxEpochs: number('max_epochs'),
    checkValEveryNEpoch: number('check_val_every_n_epoch'),
    batchSize: number('batch_size'),
  };
}

/** `hparams` of the official result file; classes and functions are named as Python prints them, without addresses. */
export const hparamsOf = (point: GridPoint): Record<string, number | boolean | string> => ({
  batch_size: point.batchSize,
  check_val_every_n_epoch: point.checkValEveryNEpoch,
  dropout: point.dropout,
  embedding_norm: "<class 'torch.nn.modules.linear.Identity'>",
  hidden_dim: point.hiddenDim,
  hidden_layers: point.hiddenLayers,
  hidden_norm: "<class 'torch.nn.modules.batchnorm.BatchNorm1d'>",
  initialization: `<function ${point.initialization}>`,
  lr: point.lr,
  max_epochs: point.maxEpochs,
  norm_after_activation: false,
  optim: "<class 'torch.optim.adam.Adam'>",
  patience: point.patience,
});
