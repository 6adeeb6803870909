/** Our side of `beats-embed`, `beats-step` and `atst-step`: the encoders as registered, random inputs of the sizes of training. */
import { parseArgs } from 'node:util';
import { createFrontEnd, frontEnds } from '@unlabel/audio';
import { buildBeats } from '@unlabel/backbones';
import { createRng, type Params, type Scalar, type Tensor } from '@unlabel/core';
import {
  adamW,
  dense,
  emaUpdate,
  init,
  mergeParams,
  parameter,
  prefixed,
  selectParams,
  tf,
  trainableOf,
  useEngine,
  valueAndGrads,
  withoutGradient,
  type EngineOptions,
  type LossAndLogs,
  type Optimizer,
} from '@unlabel/engine';
import { forked, fusedAttention, layerNorm, linear, mlp, risingRates, transformerBlock } from '@unlabel/nn';
import { serve, timed } from '../lib/serve.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'beats' },
    dropout: { type: 'string', default: '0' },
    precision: { type: 'string', default: 'float32' },
  },
});
const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as NonNullable<EngineOptions['engine']>; // checked by useEngine
const precision = values.precision as NonNullable<EngineOptions['precision']>; // given by the suite
const info = await useEngine({ engine, precision });
const rng = createRng(1);
const noise = (name: string, shape: number[]): Tensor => {
  const draw = rng.fork(name);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => draw.normal());
  return tf.tensor(data, shape);
};

/** What the trainer does between two batches: loss, gradients, update, and the loss read back. */
async function train(params: Params, optimizer: Optimizer, loss: () => LossAndLogs): Promise<void> {
  const { loss: value, grads, dispose } = valueAndGrads(params, loss);
  optimizer.step(grads, 1e-5);
  await value.data();
  dispose();
}

/** 16 rows of 124 visible patches through the encoder; 8 clips of 10 s embedded, and their bands. */
function beats() {
  const dropout = Number(values.dropout);
  const rates = { dropout, attentionDropout: dropout, inputDropout: 0, layerDrop: 0 };
  const model = buildBeats(rates, rng.fork('model'));
  const params = selectParams(
    trainableOf(model.params),
    (name) => name.startsWith('encoder.') || name.startsWith('post_'),
  );
  let optimizer: Optimizer | undefined; // with the first step: embedding has none
  const [visible, target] = [noise('visible', [16, 124, 512]), noise('target', [16, 124, 768])];
  const frames = noise('frames', [8, 128, 998]);
  const frontEnd = createFrontEnd(frontEnds.beats);
  const waves = Array.from({ length: 8 }, (_, i) => {
    const draw = rng.fork(`wave${i}`);
    return Float32Array.from({ length: 160_000 }, () => 0.1 * draw.normal());
  });
  const project = [model.params.get('post_extract_proj.weight')!, model.params.get('post_extract_proj.bias')!] as const;
  let index = 0;
  return {
    step: () =>
      train(params, (optimizer ??= adamW(params, { weightDecay: 0.01 })), () => {
        const x = dense(visible, ...project, { transposeKernel: true });
        const y = model.encoder.forward(x, { training: true, rng: rng.fork(index++) });
        return { loss: tf.mean(tf.squaredDifference(y, target)) as Scalar, logs: {} };
      }),
    async embed() {
      const clip = tf.tidy(() => model.forward(frames, { training: false }).clip);
      await clip.data();
      clip.dispose();
    },
    'front-end': () => waves.forEach((wave) => frontEnd.apply(wave)),
  };
}

const width = 384;

/** ATST-Clip's student or teacher with its projector; x [B, N, 256] patches → [B, 256]. */
function atstNetwork(name: string) {
  const draws = rng.fork(name);
  const embed = linear(256, width, draws.fork('embed'));
  const first = (shape: number[], label: string) => parameter(init.truncNormal(shape, 0.02, draws.fork(label)));
  const [token, positions] = [first([1, 1, width], 'cls'), first([1, 251, width], 'positions')];
  const blocks = risingRates(0.1, 12).map((dropPath, i) => {
    const attention = fusedAttention({ width, heads: 6, hasBias: false }, draws.fork(`attn${i}`));
    return transformerBlock({ attention, width, hidden: 4 * width, eps: 1e-6, dropPath }, draws.fork(i));
  });
  const norm = layerNorm(width, 1e-6);
  const projector = mlp({ widths: [width, 4096, 256] }, draws.fork('projector'));
  return {
    params: mergeParams(
      new Map([['cls', token], ['positions', positions]]), // prettier-ignore
      ...[embed, norm, projector, ...blocks].map(({ params }, i) => prefixed(String(i), params)),
    ),
    forward(patches: Tensor, call: { training: boolean; rng: typeof rng }) {
      const [rows = 1, count = 1] = patches.shape;
      const tokens = tf.concat([tf.tile(token, [rows, 1, 1]), embed.forward(patches, call)], 1);
      const x = tf.add(tokens, tf.slice(positions, [0, 0, 0], [1, count + 1, width]));
      const y = blocks.reduce((h, block, i) => block.run(h, forked(call, i)).y, x);
      const clip = tf.reshape(tf.slice(norm.forward(y, call), [0, 0, 0], [-1, 1, -1]), [rows, width]);
      return projector.forward(clip, call);
    },
  };
}

/** Student and teacher on two views of 16 clips of 6 s, cosine loss, update, moving average. */
function atst() {
  const [student, teacher] = [atstNetwork('model'), atstNetwork('model')];
  const predictor = mlp({ widths: [256, 4096, 256] }, rng.fork('predictor'));
  const params = trainableOf(mergeParams(student.params, prefixed('predictor', predictor.params)));
  const optimizer = adamW(params, { weightDecay: 0.04, eps: 1e-6 });
  const views = noise('views', [32, 150, 256]); // patches: rows of the first view, then of the second
  let index = 0;
  const unit = (x: Tensor) => tf.div(x, tf.norm(x, 2, 1, true));
  return {
    async step() {
      const call = { training: true, rng: rng.fork(index++) };
      const target = withoutGradient(() =>
        tf.tidy(() => unit(teacher.forward(views, forked(call, 'teacher') as typeof call))),
      );
      await train(params, optimizer, () => {
        const guess = unit(predictor.forward(student.forward(views, call), call));
        const [first, second] = tf.split(target, 2) as [Tensor, Tensor];
        const cosine = tf.sum(tf.mul(guess, tf.concat([second, first])), 1);
        return { loss: tf.mul(tf.mean(tf.sub(1, cosine)), 2) as Scalar, logs: {} };
      });
      target.dispose();
      emaUpdate(trainableOf(teacher.params), student.params, 0.99);
    },
  };
}

const works = values.model === 'beats' ? beats() : atst();
const { version, device, threads, node } = info;
await serve(
  { engine: info.engine, version, precision: info.precision, device, threads, node },
  Object.fromEntries(Object.entries(works).map(([name, work]) => [name, () => timed(work)])),
);
