/** Our side of `resnet50`: the backbone with torch's parameters and a classifier's loss replaced by the mean square of its features. */
import { parseArgs } from 'node:util';
import { buildResnet } from '@unlabel/backbones';
import { createRng, type Scalar } from '@unlabel/core';
import { sgd, tf, trainableOf, useEngine, valueAndGrads, type EngineOptions } from '@unlabel/engine';
import { serve, timed } from '../lib/serve.ts';

const { values } = parseArgs({
  options: { batch: { type: 'string', default: '16' }, size: { type: 'string', default: '224' } },
});
const [rows, size] = [Number(values.batch), Number(values.size)];

const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as NonNullable<EngineOptions['engine']>; // checked by useEngine
const info = await useEngine({ engine });
const backbone = buildResnet({ depth: 50 }, createRng(1));
const trainable = trainableOf(backbone.params);
const optimizer = sgd(trainable, { momentum: 0.9, weightDecay: 1e-4 });
const x = tf.randomNormal([rows, size, size, 3], 0, 1, 'float32', 1);

async function forward(): Promise<void> {
  const clip = tf.tidy(() => backbone.forward(x, { training: false }).clip);
  await clip.data();
  clip.dispose();
}

async function step(): Promise<void> {
  const { loss, grads, dispose } = valueAndGrads(trainable, () => {
    const { clip } = backbone.forward(x, { training: true });
    return { loss: tf.mean(tf.square(clip)) as Scalar, logs: {} };
  });
  optimizer.step(grads, 1e-4);
  await loss.data();
  dispose();
}

const { version, device, threads, node } = info;
await serve(
  { engine: info.engine, version, device, threads, node },
  { forward: () => timed(forward), step: () => timed(step) },
);
