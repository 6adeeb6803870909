/** Our side of `delores-step` and `delores-embed`: the method as registered, its recipe's optimiser, random log-mels. */
import { parseArgs } from 'node:util';
import { createRng, type Batch } from '@unlabel/core';
import { deloresS } from '@unlabel/delores';
import { optimizerFor, tf, useEngine, valueAndGrads, type EngineOptions } from '@unlabel/engine';
import { serve, timed } from '../lib/serve.ts';

const { values } = parseArgs({
  options: { batch: { type: 'string', default: '64' }, frames: { type: 'string', default: '96' } },
});
const [rows, frames] = [Number(values.batch), Number(values.frames)];
const bands = 64;

const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as NonNullable<EngineOptions['engine']>; // checked by useEngine
const info = await useEngine({ engine });
const rng = createRng(1);
const model = deloresS.build(deloresS.config.parse({}), { rng: rng.fork('model') });
const optimizer = optimizerFor(deloresS.recipe, model.trainable);
const noise = (name: string) => {
  const draw = rng.fork(name);
  return tf.tensor(
    Float32Array.from({ length: rows * bands * frames }, () => draw.normal()),
    [rows, bands, frames],
  );
};
const batch = { view1: noise('view1'), view2: noise('view2') } satisfies Batch;
let index = 0;

/** What the trainer does between two batches: loss, gradients, update, and the loss read back. */
async function step(): Promise<void> {
  const at = { index, total: 1000, epoch: 0, rng: rng.fork(index++) };
  const { loss, grads, dispose } = valueAndGrads(model.trainable, () => deloresS.loss(model, batch, at));
  optimizer.step(grads, deloresS.recipe.lr);
  await loss.data();
  dispose();
}

async function embed(): Promise<void> {
  const clip = tf.tidy(() => model.backbone.forward(batch.view1, { training: false }).clip);
  await clip.data();
  clip.dispose();
}

const { version, device, threads, node } = info;
await serve(
  { engine: info.engine, version, device, threads, node },
  { step: () => timed(step), embed: () => timed(embed) },
);
