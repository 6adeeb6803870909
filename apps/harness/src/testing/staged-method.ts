/**
 * A small method of two stages for tests of the trainer, with everything stages can use: the student takes the teacher's network
 * (frozen), the state of its head, labels every item between epochs with the teacher, and reads the labels in its views.
 *
 * `UNLABEL_TEST_STOP=<place>` stops it there, by an error or, with `kill:` in front, by SIGKILL. Places: `teacher:<step>`,
 * `student:<step>`, `labels:<epoch>`.
 */
import { z } from 'zod';
import { buildAudioNtt } from '@unlabel/backbones';
import {
  defineMethod,
  type Backbone,
  type InputSpec,
  type Model,
  type Params,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, buffersOf, mergeParams, prefixed, tf, trainableOf } from '@unlabel/engine';
import { linear, type Layer } from '@unlabel/nn';

const classes = 4;
const schema = z.strictObject({ width: z.int().positive().default(8) });

interface Net extends Model {
  readonly head: Layer;
  readonly teacher?: Backbone;
}

const card = {
  title: 'A test of stages',
  authors: 'the tests',
  year: 2026,
  paper: 'https://example.org',
  licence: 'Apache-2.0',
  modality: 'audio',
} as const;
const recipe = { optimizer: 'adamw', lr: 1e-3, schedule: 'constant', batchSize: 4, epochs: 2 } as const;
const input = (): InputSpec => ({
  modality: 'audio',
  sampleRate: 16000,
  seconds: 0.2,
  frontEnd: {
    kind: 'log-mel',
    sampleRate: 16000,
    nFft: 512,
    winLength: 400,
    hopLength: 160,
    nMels: 16,
    fMin: 60,
    fMax: 7800,
  },
  normalize: 'dataset',
});

function net(width: number, rng: Parameters<typeof linear>[2], teacher?: Backbone): Net {
  const backbone = buildAudioNtt({ bands: 16, width, dropout: 0 }, rng.fork('backbone'));
  const head = linear(width, classes, rng.fork('head'));
  const params: Params = mergeParams(prefixed('backbone', backbone.params), prefixed('head', head.params));
  return { trainable: trainableOf(params), state: buffersOf(params), backbone, head, ...(teacher && { teacher }) };
}

function stopAt(place: string): void {
  const wanted = process.env['UNLABEL_TEST_STOP'];
  if (wanted === place) throw new Error(`stopped at ${place}`);
  if (wanted === `kill:${place}`) process.kill(process.pid, 'SIGKILL');
}

/** Cross entropy of the head with a class a row. */
function classLoss({ backbone, head }: Net, x: Tensor, labels: Tensor): Scalar {
  const logits = head.forward(backbone.forward(x, { training: true }).clip, { training: true });
  const logProbabilities = tf.logSoftmax(logits);
  const picked = tf.mul(tf.oneHot(tf.cast(labels, 'int32'), classes), logProbabilities);
  return tf.neg(tf.mean(tf.sum(picked, 1)));
}

/** Tells loud from quiet. */
export const teacher = defineMethod<typeof schema, Net>({
  id: 'test-teacher',
  card,
  config: schema,
  recipe,
  presets: { paper: { note: 'The only one.' } },
  accumulates: true,
  input,
  views: () => (sample) => ({ x: sample['logMel']! }),
  build: ({ width }, { rng }) => net(width, rng),
  beforeStep: (_model, step) => stopAt(`teacher:${step.index}`),
  loss(model, { x }) {
    return { loss: classLoss(model, x!, tf.cast(tf.greater(tf.mean(x!, [1, 2]), 0), 'float32')), logs: {} };
  },
});

/** Learns the teacher's strongest of four values for each item. */
export const student = defineMethod<typeof schema, Net>({
  id: 'test-student',
  card,
  config: schema,
  recipe,
  presets: { paper: { note: 'The only one.' } },
  input,
  views:
    () =>
    (sample, { targets }) => {
      if (!targets) throw new Error('an input without targets');
      return { x: sample['logMel']!, targets };
    },
  build({ width }, { rng, upstream, upstreamState }) {
    const model = net(width, rng, upstream!['teacher']!);
    const held = Object.entries(upstreamState!['teacher']!).filter(([name]) => name.startsWith('head.'));
    assignArrays(model.head.params, Object.fromEntries(held.map(([name, array]) => [name.slice(5), array])));
    return model;
  },
  beforeStep: (_model, step) => stopAt(`student:${step.index}`),
  async betweenEpochs(model, epoch, data) {
    for await (const { batch, items } of data.batches(3)) {
      const labels = tf.tidy(() =>
        tf.argMax(
          tf.slice(model.teacher!.forward(batch['logMel']!, { training: false }).clip, [0, 0], [-1, classes]),
          1,
        ),
      );
      const values = await labels.data();
      items.forEach((item, i) => data.setTargets(item, { data: Float32Array.of(values[i]!, epoch, item), shape: [3] }));
      tf.dispose([labels, ...Object.values(batch)]);
    }
    stopAt(`labels:${epoch}`);
  },
  loss(model, { x, targets }) {
    const [labels, epochs] = tf.unstack(targets!, 1) as [Tensor, Tensor];
    return { loss: classLoss(model, x!, labels), logs: { labelledIn: tf.mean(epochs) } };
  },
});

export default defineMethod<typeof schema, Net>({
  ...teacher,
  id: 'test-stages',
  config: schema,
  presets: { paper: { note: 'The only one.' } },
  stages: ({ width }) => [
    { id: 'teacher', method: teacher, config: { width }, recipe: { steps: 6 } },
    { id: 'student', method: student, config: { width }, upstream: ['teacher'], state: ['teacher'] },
  ],
});
