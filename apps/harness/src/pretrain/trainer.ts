/**
 * The training loop of every method: batches from the pipeline, loss and gradients, optimiser, hooks, log, checkpoints. Every
 * draw is a function of (seed, step), so a resumed run ends with the bytes of an unbroken one.
 */
import { type Batch, type Method, type Model, type Recipe, type Rng, type Step } from '@unlabel/core';
import { scheduleFor, tf, weightDecayFor, type Optimizer } from '@unlabel/engine';
import type { Display } from '../display/display.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';
import { appendLog, type LogLine, type RunDir } from '../run-dir.ts';
import { datasetPass, toTensors } from './dataset-pass.ts';
import { gradients, update } from './gradients.ts';
import { createPipeline } from './pipeline.ts';
import { packTargets } from './targets.ts';
import { saveEpochTargets, saveTraining, type Resumed } from './training-state.ts';
import { createViewPool } from './view-pool.ts';
import type { ViewWorkerData } from './view-rows.ts';

export interface TrainOptions {
  readonly method: Method;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly recipe: Recipe;
  readonly data: ViewWorkerData;
  readonly run: RunDir;
  readonly display: Display;
  /** Where all draws of this part come from. */
  readonly rng: Rng;
  /** What an earlier session left. */
  readonly resumed: Resumed | undefined;
  readonly steps: number;
  readonly workers: number;
  readonly checkpointSeconds: number;
  /** Called between steps with the number of steps done; may evaluate. */
  readonly onProgress?: (step: number) => Promise<void>;
}

export interface TrainSummary {
  readonly steps: number;
  readonly seconds: number;
  /** Share of the time the step waited for data. */
  readonly waitingShare: number;
  readonly finalLoss: number;
}

const logEvery = 5;
const prefetch = 4;

export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { method, model, optimizer, recipe, data, run, display, resumed, steps } = options;
  const { batchSize } = recipe;
  const size = data.items.length;
  const firstStep = resumed?.step ?? 0;
  const rate = scheduleFor(recipe, steps, size / batchSize);
  const decay = weightDecayFor(recipe, steps);
  const root = options.rng.fork('pretrain');
  const stepRng = root.fork('step');
  const epochOf = (step: number): number => Math.floor((step * batchSize) / size);
  const pool = createViewPool(data, options.workers);
  const pipeline = createPipeline({ pool, batchSize, firstStep, prefetch });
  const progress = display.task(`pre-train ${method.id}`, steps, 'steps');
  const interrupt = watchInterrupt(() => display.line('stopping after this step; press Ctrl-C again to stop at once'));
  const start = performance.now();
  const seconds = (): number => (resumed?.seconds ?? 0) + (performance.now() - start) / 1000;

  let preparedEpochs = resumed?.preparedEpochs ?? 0;
  let targets = resumed?.targets;
  let targetsEpoch = resumed?.targetsEpoch;
  if (targets) pool.setTargets(targets);
  const save = (step: number): Promise<void> =>
    saveTraining(run, { model, optimizer, step, seconds: seconds(), preparedEpochs, targetsEpoch });

  /** `betweenEpochs` of the epoch that begins at `step`, unless the checkpoint came after it. */
  const prepareEpoch = async (step: number): Promise<void> => {
    const epoch = epochOf(step);
    if (!method.betweenEpochs || epoch < preparedEpochs) return;
    const pass = datasetPass(pool, size, () =>
      display.task(`${method.id}: epoch ${epoch}, the whole set`, size, 'items'),
    );
    await method.betweenEpochs(model, epoch, pass, root.fork('between').fork(epoch));
    if (pass.set.size > 0) {
      targets = packTargets(size, pass.set, targets);
      targetsEpoch = epoch;
      await saveEpochTargets(run, epoch, targets);
      pool.setTargets(targets);
    }
    preparedEpochs = epoch + 1;
    await save(step);
  };
  /** Batches from the next epoch on wait for its targets. */
  const untilOf = (step: number): number =>
    method.betweenEpochs ? Math.min(steps, Math.ceil(((epochOf(step) + 1) * size) / batchSize)) : steps;

  let lastSave = performance.now();
  let pending: LogLine[] = [];
  let finalLoss = Number.NaN;

  progress.update(firstStep);
  try {
    for (let index = firstStep; index < steps; index++) {
      await prepareEpoch(index);
      const arrays = await pipeline.next(index, untilOf(index));
      const step: Step = { index, total: steps, epoch: epochOf(index), rng: stepRng.fork(index) };
      const batch: Batch = toTensors(arrays);
      method.beforeStep?.(model, step);
      const { loss, logs, grads } = gradients(method, model, batch, step, recipe.accumulate ?? 1);
      const lr = rate(index);
      update(optimizer, grads, { lr, weightDecay: decay?.(index), clipNorm: recipe.clipNorm });
      method.afterStep?.(model, batch, step);
      tf.dispose([...Object.values(batch), ...grads.values()]);

      if ((index + 1) % logEvery === 0 || index + 1 === steps) {
        finalLoss = (await loss.data())[0]!;
        const line: Record<string, number> = { step: index + 1, loss: finalLoss, lr };
        for (const [name, value] of Object.entries(logs)) line[name] = (await value.data())[0]!;
        tf.dispose([loss, ...Object.values(logs)]);
        if (!Number.isFinite(finalLoss)) throw divergence(finalLoss, index + 1, lr);
        pending.push({ ...line, step: index + 1, seconds: Number(seconds().toFixed(3)) });
        await appendLog(run.file('log.jsonl'), pending);
        pending = [];
        progress.update(index + 1, `loss ${finalLoss.toPrecision(4)}`);
      } else {
        tf.dispose([loss, ...Object.values(logs)]);
        progress.update(index + 1);
      }
      await options.onProgress?.(index + 1);
      if (interrupt.requested && index + 1 < steps) {
        await save(index + 1);
        throw new Interrupted(`saved after step ${index + 1} of ${steps}. To go on: ${commandLine()}`);
      }
      if ((performance.now() - lastSave) / 1000 > options.checkpointSeconds && index + 1 < steps) {
        await save(index + 1);
        lastSave = performance.now();
      }
    }
    await save(steps);
    const spent = (performance.now() - start) / 1000;
    const waitingShare = spent > 0 ? pipeline.waited / spent : 0;
    progress.finish(
      `loss ${finalLoss.toPrecision(4)}, waited ${(100 * waitingShare).toFixed(1)} % of the time for data`,
    );
    return { steps, seconds: seconds(), waitingShare, finalLoss };
  } finally {
    interrupt.release();
    await pool.close();
  }
}

function divergence(loss: number, step: number, lr: number): Error {
  return new RangeError(
    `the loss is ${loss} after step ${step} (learning rate ${lr}). Lower it with --set recipe.lr=…, or add --set recipe.clipNorm=1; ` +
      'the last checkpoint is kept.',
  );
}
