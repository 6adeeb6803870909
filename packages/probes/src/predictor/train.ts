/**
 * The grid points of HEAR's predictor, trained side by side: one pass over the data feeds all that are still running, each stops by
 * its own rule, and each is recorded when it ends (hear.md §6.3).
 */
import type { Rng, Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { toProbabilities } from '../linear/linear.ts';
import type { FitInput, Journal } from '../protocol-types.ts';
import { batchBounds, batchOf, rowsOf, type Rows } from './data.ts';
import type { GridPoint } from './grid.ts';
import { createJudge, type Judge } from './judge.ts';
import type { PostProcessing } from '../metrics/events/post-processing.ts';
import { createNetwork, type Network, type Weights } from './network.ts';
import { decodeTrained, encodeTrained } from './trained-file.ts';

/** The best state of a grid point. */
export interface Trained {
  /** 0-based. */
  readonly epoch: number;
  /** What early stopping watched there: the primary metric, or the validation loss. */
  readonly monitored: number;
  readonly validationScore: number;
  readonly postProcessing?: PostProcessing | undefined;
  readonly weights: Weights;
}

export interface TrainOptions {
  /** Index into the grid, for names of streams and records. */
  readonly points: readonly { readonly index: number; readonly point: GridPoint }[];
  readonly shuffle: boolean;
  /** Early stopping and the choice among points watch the validation loss instead of the primary metric. */
  readonly monitorLoss: boolean;
  readonly rng: Rng;
  readonly journal?: Journal | undefined;
  /** Called after each epoch with the points still running. */
  readonly onEpoch?: ((epoch: number, running: number) => void) | undefined;
}

interface Run {
  readonly index: number;
  readonly point: GridPoint;
  readonly network: Network;
  /** Its weights are kept by the network until the end. */
  best?: Omit<Trained, 'weights'>;
  /** Validations since the best. */
  waited: number;
}

/** Rows scored at once. */
const scoredAtOnce = 4096;

/** Whether early stopping and the choice of a point prefer larger values. */
export const monitorsUp = (judge: Judge, monitorLoss: boolean): boolean => !monitorLoss && judge.higherIsBetter;

/** Trains the points that the journal does not hold. The result has the order of `points`. */
export async function trainPoints(input: FitInput, options: TrainOptions): Promise<Trained[]> {
  const { points, journal } = options;
  const done = new Map<number, Trained>();
  for (const { index } of points) {
    const held = await journal?.load(keyOf(index));
    if (held) done.set(index, decodeTrained(held));
  }
  const open = points.filter(({ index }) => !done.has(index));
  // Points whose batches differ cannot share a pass; HEAR's grids have one batch size.
  for (const batchSize of new Set(open.map(({ point }) => point.batchSize))) {
    const together = open.filter(({ point }) => point.batchSize === batchSize);
    for (const [index, trained] of await trainTogether(input, { ...options, points: together }, batchSize)) {
      done.set(index, trained);
    }
  }
  return points.map(({ index }) => done.get(index)!);
}

const keyOf = (index: number): string => `point-${index}`;

async function trainTogether(
  input: FitInput,
  { points, shuffle, monitorLoss, rng, journal, onEpoch }: TrainOptions,
  batchSize: number,
): Promise<Map<number, Trained>> {
  const { classes, predictionType } = input;
  const isMulticlass = predictionType === 'multiclass';
  const train = rowsOf(input.train, 'training clips', isMulticlass);
  const valid = rowsOf(input.valid, 'validation clips', isMulticlass);
  const judge = createJudge(input);
  const isUp = monitorsUp(judge, monitorLoss);
  const shape = { width: train.embeddings.width, classes, predictionType };
  const bounds = batchBounds(train.count, batchSize);
  const inOrder = Uint32Array.from({ length: train.count }, (_, i) => i);
  const done = new Map<number, Trained>();
  let running: Run[] = points.map(({ index, point }) => ({
    index,
    point,
    network: createNetwork(point, shape, rng.fork('point').fork(index)),
    waited: 0,
  }));
  const finish = async (run: Run): Promise<void> => {
    const trained = { ...run.best!, weights: await run.network.weights() };
    run.network.dispose();
    await journal?.save(keyOf(run.index), encodeTrained(trained));
    done.set(run.index, trained);
  };
  try {
    for (let epoch = 0; running.length > 0; epoch++) {
      // Streams by epoch: what an epoch draws does not depend on how many came before it in this process.
      const order = shuffle ? rng.fork('shuffle').fork(epoch).permutation(train.count) : inOrder;
      for (let b = 0; b + 1 < bounds.length; b++) {
        const { x, targets } = batchOf(train, order, bounds[b]!, bounds[b + 1]!, classes);
        for (const { network } of running) network.step(x, targets);
        tf.dispose([x, targets]);
      }
      const still: Run[] = [];
      for (const run of running) {
        const isDue = (epoch + 1) % run.point.checkValEveryNEpoch === 0;
        const hasStopped =
          isDue && (await validate(run, epoch, valid, judge, { isUp, monitorLoss, classes, isMulticlass }));
        const isLast = epoch + 1 >= run.point.maxEpochs;
        if (isLast && !run.best) await validate(run, epoch, valid, judge, { isUp, monitorLoss, classes, isMulticlass });
        if (hasStopped || isLast) await finish(run);
        else still.push(run);
      }
      running = still;
      onEpoch?.(epoch, running.length);
      await new Promise(setImmediate); // signals and messages get their turn
    }
  } finally {
    for (const { network } of running) network.dispose();
  }
  return done;
}

interface Watching {
  readonly isUp: boolean;
  readonly monitorLoss: boolean;
  readonly classes: number;
  readonly isMulticlass: boolean;
}

/** Scores the validation rows and keeps the best state; true when the training is to stop. */
async function validate(run: Run, epoch: number, valid: Rows, judge: Judge, watching: Watching): Promise<boolean> {
  const { isUp, monitorLoss, classes, isMulticlass } = watching;
  const logits = await logitsOf(run.network, valid, classes);
  const loss = lossOf(logits, valid.labels, classes, isMulticlass);
  toProbabilities(logits, classes, isMulticlass ? 'multiclass' : 'multilabel');
  const { value, postProcessing } = judge.judge(logits);
  const monitored = monitorLoss ? loss : value;
  const held = run.best?.monitored;
  // Strictly better, so the earliest of equals stays; an undefined value is worse than any other.
  const isBetter =
    held === undefined ||
    (Number.isNaN(held) && !Number.isNaN(monitored)) ||
    (isUp ? monitored > held : monitored < held);
  if (isBetter) {
    run.waited = 0;
    run.best = { epoch, monitored, validationScore: value, postProcessing };
    run.network.keep();
  } else run.waited++;
  // Lightning's check_finite: a value that is not finite ends a training at once, with what is best so far.
  return !Number.isFinite(monitored) || run.waited >= run.point.patience;
}

/** Logits [rows, C] in float64. */
export async function logitsOf(network: Pick<Network, 'logits'>, rows: Rows, classes: number): Promise<Float64Array> {
  const out = new Float64Array(rows.count * classes);
  const { data, width } = rows.embeddings;
  for (let from = 0; from < rows.count; from += scoredAtOnce) {
    const count = Math.min(scoredAtOnce, rows.count - from);
    const x = tf.tensor2d(Float32Array.from(data.subarray(from * width, (from + count) * width)), [count, width]);
    const logits: Tensor = network.logits(x);
    out.set((await logits.data()) as Float32Array, from * classes);
    tf.dispose([x, logits]);
  }
  return out;
}

/** The loss of training on logits [rows, C], in float64. */
export function lossOf(
  logits: Float64Array,
  labels: readonly (readonly number[])[],
  classes: number,
  isMulticlass: boolean,
): number {
  let sum = 0;
  for (const [i, row] of labels.entries()) {
    const z = logits.subarray(i * classes, (i + 1) * classes);
    if (isMulticlass) {
      const top = z.reduce((a, b) => Math.max(a, b), -Infinity);
      sum += top + Math.log(z.reduce((total, value) => total + Math.exp(value - top), 0)) - z[row[0]!]!;
    } else {
      for (const value of z) sum += Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
      for (const label of row) sum -= z[label]!;
    }
  }
  return sum / (isMulticlass ? labels.length : labels.length * classes);
}
