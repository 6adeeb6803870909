/**
 * The training loop of every method: batches from the pipeline, loss and gradients, optimiser, hooks, log, checkpoints. Every
 * draw is a function of (seed, step), so a resumed run ends with the bytes of an unbroken one.
 */
import { createRng, type Batch, type Method, type Model, type Recipe, type Step, type Tensor } from '@unlabel/core';
import { clipByGlobalNorm, scheduleFor, tf, valueAndGrads, weightDecayFor, type Optimizer } from '@unlabel/engine';
import type { Display } from '../display/display.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';
import { appendLog, type LogLine, type RunDir } from '../run-dir.ts';
import { createPipeline } from './pipeline.ts';
import { dropCheckpoints, saveTraining } from './training-state.ts';
import type { ViewWorkerData } from './view-worker.ts';

export interface TrainOptions {
  readonly method: Method;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly recipe: Recipe;
  readonly data: ViewWorkerData;
  readonly run: RunDir;
  readonly display: Display;
  readonly firstStep: number;
  readonly steps: number;
  readonly workers: number;
  readonly checkpointSeconds: number;
  /** Seconds the run took in earlier sessions. */
  readonly secondsBefore: number;
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
  const { method, model, recipe, data, run, display, firstStep, steps } = options;
  const stepRng = createRng(data.seed).fork('pretrain').fork('step');
  const stepsPerEpoch = data.items.length / recipe.batchSize;
  const rate = scheduleFor(recipe, steps, stepsPerEpoch);
  const decay = weightDecayFor(recipe, steps);
  const pipeline = createPipeline({
    ...data,
    batchSize: recipe.batchSize,
    firstStep,
    steps,
    workers: options.workers,
    prefetch,
  });
  const progress = display.task(`pre-train ${method.id}`, steps, 'steps');
  const interrupt = watchInterrupt(() => display.line('stopping after this step; press Ctrl-C again to stop at once'));
  const start = performance.now();
  const seconds = (): number => options.secondsBefore + (performance.now() - start) / 1000;
  const save = (step: number): Promise<void> =>
    saveTraining(run, { model, optimizer: options.optimizer, step, seconds: seconds() });
  let lastSave = performance.now();
  let pending: LogLine[] = [];
  let finalLoss = Number.NaN;

  progress.update(firstStep);
  try {
    for (let index = firstStep; index < steps; index++) {
      const arrays = await pipeline.next(index);
      const step: Step = { index, total: steps, epoch: Math.floor(index / stepsPerEpoch), rng: stepRng.fork(index) };
      const batch: Batch = Object.fromEntries(
        Object.entries(arrays).map(([name, { data: values, shape }]) => [name, tf.tensor(values, [...shape])]),
      );
      method.beforeStep?.(model, step);
      const { loss, logs, grads } = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
      const lr = rate(index);
      update(options.optimizer, grads, { lr, weightDecay: decay?.(index), clipNorm: recipe.clipNorm });
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
    await dropCheckpoints(run, steps);
    const spent = (performance.now() - start) / 1000;
    const waitingShare = spent > 0 ? pipeline.waited / spent : 0;
    progress.finish(
      `loss ${finalLoss.toPrecision(4)}, waited ${(100 * waitingShare).toFixed(1)} % of the time for data`,
    );
    return { steps, seconds: seconds(), waitingShare, finalLoss };
  } finally {
    interrupt.release();
    await pipeline.close();
  }
}

function update(
  optimizer: Optimizer,
  grads: ReadonlyMap<string, Tensor>,
  { lr, weightDecay, clipNorm }: { lr: number; weightDecay: number | undefined; clipNorm: number | undefined },
): void {
  if (clipNorm === undefined) return optimizer.step(grads, lr, weightDecay);
  const clipped = clipByGlobalNorm(grads, clipNorm);
  optimizer.step(clipped.grads, lr, weightDecay);
  tf.dispose([clipped.norm, ...clipped.grads.values()]);
}

function divergence(loss: number, step: number, lr: number): Error {
  return new RangeError(
    `the loss is ${loss} after step ${step} (learning rate ${lr}). Lower it with --set recipe.lr=…, or add --set recipe.clipNorm=1; ` +
      'the last checkpoint is kept.',
  );
}
