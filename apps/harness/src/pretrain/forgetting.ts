/**
 * What a stage forgets of those before it: their own loss, on fixed batches of theirs, with the network as it stands now and the heads
 * as they left them. `forgetting.jsonl` in the stage's folder, a line a point, and `forgetting.svg` for the whole run.
 */
import { existsSync } from 'node:fs';
import { createRng, learnerOf, type Backbone, type Method, type NdArray, type Scalar } from '@unlabel/core';
import { assignArrays, copyParams, disposeParams, mergeParams, tf, withoutGradient } from '@unlabel/engine';
import type { Display } from '../display/display.ts';
import { writeLineChart } from '../pictures/curves.ts';
import { appendLog, readLog, truncateLog, type RunDir } from '../run-dir.ts';
import { toTensors } from './dataset-pass.ts';
import type { Meter } from './meter.ts';
import type { FinishedPart } from './part.ts';
import { readTrainingArrays } from './training-state.ts';
import { createViewPool, type Arrays } from './view-pool.ts';
import type { ViewWorkerData } from './view-rows.ts';

/** Batches of an earlier stage that its loss is averaged over. */
const measuredBatches = 4;

export interface ForgettingOptions {
  readonly watched: readonly { readonly method: Method; readonly finished: FinishedPart }[];
  readonly dataOf: (finished: FinishedPart) => Promise<ViewWorkerData>;
  readonly everySteps: number;
  readonly steps: number;
  readonly backbone: Backbone;
  readonly run: RunDir;
  readonly display: Display;
  readonly workers: number;
}

interface Watched {
  readonly stage: string;
  readonly method: Method;
  readonly config: Record<string, unknown>;
  readonly arrays: Readonly<Record<string, NdArray>>;
  readonly batches: readonly Arrays[];
}

export async function createForgettingCurve(options: ForgettingOptions): Promise<Meter> {
  const { run, steps, everySteps, backbone, display, workers } = options;
  const file = run.file('forgetting.jsonl');
  const watched: Watched[] = [];
  for (const { method, finished } of options.watched) {
    const { stage, config, recipe } = finished.part;
    const pool = createViewPool(await options.dataOf(finished), workers);
    try {
      const size = recipe.batchSize;
      const asked = Array.from({ length: measuredBatches }, (_, i) => pool.request({ first: i * size, count: size }));
      watched.push({
        stage,
        method,
        config,
        arrays: await readTrainingArrays(finished.run),
        batches: await Promise.all(asked),
      });
    } finally {
      await pool.close();
    }
  }
  return {
    async at(step) {
      if (step % everySteps !== 0 && step !== steps) return;
      const line: Record<string, number> = { step };
      for (const one of watched) line[one.stage] = await lossNow(one, backbone);
      await truncateLog(file, step - 1);
      await appendLog(file, [{ ...line, step }]);
      const text = watched.map(({ stage }) => `${stage} ${line[stage]!.toPrecision(4)}`).join(', ');
      display.line(`loss of earlier stages after step ${step}: ${text}`);
    },
    finish: () => Promise.resolve(),
  };
}

/** Mean loss over the batches; the training's own network and state are only read. */
async function lossNow({ method, config, arrays, batches }: Watched, network: Backbone): Promise<number> {
  // around a copy, as the stage was: some methods train more than one kind of network
  const backbone = network.clone();
  const model = method.build(config, { rng: createRng(0), backbone });
  if (learnerOf(model) !== backbone) disposeParams(backbone.params);
  const params = mergeParams(model.trainable, model.state);
  try {
    let sum = 0;
    for (const [index, batchArrays] of batches.entries()) {
      assignArrays(params, arrays);
      copyParams(network.params, learnerOf(model).params);
      const batch = toTensors(batchArrays);
      const step = { index, total: batches.length, epoch: 0, rng: createRng(0).fork('watch').fork(index) };
      const { loss, logs } = tf.tidy(() => withoutGradient(() => method.loss(model, batch, step)));
      method.afterStep?.(model, batch, step); // frees what the loss kept for it
      sum += (await (loss as Scalar).data())[0]!;
      tf.dispose([loss, ...Object.values(logs), ...Object.values(batch)]);
    }
    return sum / batches.length;
  } finally {
    tf.dispose([...params.values()]);
  }
}

/** `forgetting.svg`: the loss of each watched stage over the steps of the stages after it. */
export async function writeForgetting(
  run: RunDir,
  stages: readonly (FinishedPart & { readonly summary: { readonly steps: number } })[],
): Promise<void> {
  const curves = new Map<string, [number, number][]>();
  let before = 0;
  for (const { part, run: at, summary } of stages) {
    const lines = existsSync(at.file('forgetting.jsonl')) ? await readLog(at.file('forgetting.jsonl')) : [];
    for (const { stage } of part.watch) {
      const points = lines.flatMap((line): [number, number][] =>
        stage in line ? [[before + line.step, line[stage]!]] : [],
      );
      if (points.length > 0) curves.set(stage, [...(curves.get(stage) ?? []), ...points]);
    }
    before += summary.steps;
  }
  if (curves.size === 0) return;
  const series = [...curves].map(([name, points]) => ({ name, points }));
  await writeLineChart(run.file('forgetting.svg'), 'loss of earlier stages on their own tasks', series);
}
