/** Targets of the tempo goldens: the published weights on click tracks. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFrontEnd, frontEnds } from '@unlabel/audio';
import {
  createRng,
  DataError,
  type Backbone,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, disposeParams, gradientToArray, tf, toArrays, valueAndGrads } from '@unlabel/engine';
import { readTorchCheckpoint } from '@unlabel/formats';
import { tempoDifference, tempoRatio } from '@unlabel/objectives';
import { buildTempoTcn } from './tempo-tcn.ts';

type Outputs = Record<string, NdArray | number>;

const rate = 44100;
const samples = 600_000;

/** Published weights, carried along under their licence. */
export const tempoWeights = fileURLToPath(new URL('../fixtures/weights/tempo-tcn.pt', import.meta.url));

/** The published network from its own file. */
export async function loadTempoTcn(path: string): Promise<Backbone> {
  if (!existsSync(path)) throw new DataError(`${path}: the tempo network's weights are missing`);
  const { tensors } = readTorchCheckpoint(await readFile(path), path);
  const backbone = buildTempoTcn({}, createRng(0));
  const arrays = [...tensors].map(([name, { data, shape }]) => [
    name,
    { data: Float32Array.from(data, Number), shape },
  ]);
  assignArrays(backbone.params, Object.fromEntries(arrays) as Record<string, NdArray>);
  return backbone;
}

function weightsBeside({ dir }: GoldenTools): string {
  const besides = join(dir, 'weights', 'tempo-tcn.pt');
  return existsSync(besides) ? besides : tempoWeights;
}

/** `click` added at every beat of a track; sums in float64. */
function clickTrack(bpm: number, click: Float64Array, bed: (n: number) => number = () => 0): Float32Array {
  const track = Float64Array.from({ length: samples }, (_, n) => bed(n));
  for (let k = 0; ; k++) {
    const at = Math.floor(((k * 60) / bpm) * rate + 0.5);
    if (at >= samples) return Float32Array.from(track);
    for (let m = 0; m < click.length && at + m < samples; m++) track[at + m]! += click[m]!;
  }
}

const sineClick = Float64Array.from(
  { length: 882 },
  (_, m) => 0.8 * Math.exp(-m / 200) * Math.sin((2 * Math.PI * 1000 * m) / rate),
);

const arrayOf = async (tensor: Tensor): Promise<NdArray> => ({
  data: (await tensor.data<'float32'>()).slice(),
  shape: tensor.shape,
});

/** Features [F, T] of a few tracks → the network's input [B, F, T]. */
const batchOf = (features: readonly NdArray[]): Tensor =>
  tf.tidy(() => tf.stack(features.map(({ data, shape }) => tf.tensor(data, [...shape]))));

const rows = (values: readonly number[]): Tensor => tf.tensor2d([...values], [values.length, 1]);

/** Every stage of one track, as torch lays it: [F, T, C] → [C, F, T]. */
async function stages(backbone: Backbone, name: string, x: Tensor, outputs: Outputs): Promise<void> {
  const names = Array.from({ length: 10 }, (_, i) => `tcn${i}`);
  const tensors = tf.tidy(() => {
    const all = ['bn_input', 'conv1', 'conv2', 'conv3', ...names];
    const { clip, frames, maps } = backbone.forward(x, { training: false, maps: all });
    const turned = all.map((key) => {
      const map = tf.transpose(tf.squeeze(maps![key]!, [0]), [2, 0, 1]);
      return [key, key.startsWith('tcn') ? tf.squeeze(map, [1]) : map] as const;
    });
    const last = tf.transpose(tf.squeeze(frames!, [0]), [1, 0]);
    return { ...Object.fromEntries(turned), tcn_out: last, dense: tf.squeeze(clip, [0]) };
  });
  for (const [key, tensor] of Object.entries(tensors)) outputs[`${name}.${key}`] = await arrayOf(tensor);
  tf.dispose(tensors);
}

async function lossOnly(tools: GoldenTools, outputs: Outputs): Promise<void> {
  const { data: ri } = tools.tensor('input:ri', [6, 1], 1);
  const { data: rj } = tools.tensor('input:rj', [6, 1], 1);
  const of = (key: string): Tensor => tf.tensor(tools.tensor(key, [6, 1], 1).data, [6, 1]);
  const z = [of('input:zi'), of('input:zj')] as const;
  const rates = [ri, rj].map((r) => rows([...r].map((u) => 1 + 0.2 * u))) as [Tensor, Tensor];
  const [gi, gj] = tf.grads((a, b) => tempoRatio(a!, b!, ...rates))([...z]);
  const ratio = tempoRatio(...z, ...rates);
  const difference = tempoDifference(...z, ...rates);
  outputs['l1_ratio_symmetric'] = (await ratio.data())[0]!;
  outputs['l1_diff'] = (await difference.data())[0]!;
  outputs['l1_ratio.grad_zi'] = await arrayOf(gi!);
  outputs['l1_ratio.grad_zj'] = await arrayOf(gj!);
  tf.dispose([...z, ...rates, gi!, gj!, ratio, difference]);
}

/** The pretext loss through the network; in training mode each view has its own batch statistics, i before j. */
async function pretextLoss(backbone: Backbone, views: readonly [Tensor, Tensor], training: boolean, outputs: Outputs) {
  const mode = training ? 'train' : 'eval';
  const scalars: Tensor[] = [];
  const rates = [rows([0.9, 1.1]), rows([1.15, 0.85])] as const;
  const { loss, grads, dispose } = valueAndGrads(backbone.params, () => {
    const [zi, zj] = views.map((x) => backbone.forward(x, { training }).branches!['z']!) as [Tensor, Tensor];
    scalars.push(tf.keep(tf.clone(zi)), tf.keep(tf.clone(zj)));
    return { loss: tempoRatio(zi, zj, ...rates) as Scalar, logs: {} };
  });
  outputs[`net_loss_${mode}`] = (await loss.data())[0]!;
  outputs[`${mode}.z_i`] = await arrayOf(scalars[0]!);
  outputs[`${mode}.z_j`] = await arrayOf(scalars[1]!);
  for (const [name, grad] of grads) {
    outputs[`${mode}.grad.${name}`] = await gradientToArray(grad, backbone.params.get(name)!);
  }
  dispose();
  tf.dispose([...scalars, ...rates]);
}

const tempoReal: GoldenTarget = {
  async run(golden, tools) {
    const [tracks] = golden.cases as readonly [{ names: string[]; bpm: number[] }];
    const frontEnd = createFrontEnd(frontEnds.tempo);
    const backbone = await loadTempoTcn(weightsBeside(tools));
    const outputs: Outputs = {};
    const features = tracks.names.map((name, i) => {
      const bpm = tracks.bpm[i];
      const audio = bpm === undefined ? tools.audio('tempo', samples, rate).data : clickTrack(bpm, sineClick);
      const { data, shape } = frontEnd.apply(audio);
      outputs[`${name}.logmel`] = { data, shape: [1, ...shape] };
      return { data, shape };
    });
    for (const name of ['click120', 'audio']) {
      const x = batchOf([features[tracks.names.indexOf(name)]!]);
      await stages(backbone, name, x, outputs);
      x.dispose();
    }
    const all = batchOf(features);
    const heads = tf.tidy(() => {
      const { clip, branches } = backbone.forward(all, { training: false });
      return { clip, z: branches!['z']!, tempo: branches!['tempo']! };
    });
    const z = await arrayOf(heads.z);
    outputs['dense_pre_elu'] = await arrayOf(heads.clip);
    outputs['classification_head'] = await arrayOf(heads.tempo);
    outputs['z'] = z;
    tracks.bpm.forEach((bpm, i) => (outputs[`z_over_bpm.${tracks.names[i]}`] = z.data[i]! / bpm));
    tf.dispose([all, heads.clip, heads.z, heads.tempo]);
    await lossOnly(tools, outputs);
    const views = [batchOf(features.slice(0, 2)), batchOf(features.slice(2, 4))] as const;
    await pretextLoss(backbone, views, false, outputs);
    await pretextLoss(backbone, views, true, outputs);
    const after = await toArrays(backbone.params);
    outputs['train.bn_input.running_mean_after'] = after['bn_input.running_mean']!;
    outputs['train.bn_input.running_var_after'] = after['bn_input.running_var']!;
    tf.dispose([...views]);
    disposeParams(backbone.params);
    return outputs;
  },
};

/** Slope of y against x by least squares. */
function slope(x: readonly number[], y: readonly number[]): number {
  const mean = (list: readonly number[]): number => list.reduce((sum, v) => sum + v, 0) / list.length;
  const [mx, my] = [mean(x), mean(y)];
  const along = x.reduce((sum, v, i) => sum + (v - mx) * (y[i]! - my), 0);
  return along / x.reduce((sum, v) => sum + (v - mx) ** 2, 0);
}

const tempoNoisy: GoldenTarget = {
  async run(golden, tools) {
    const { bpm } = golden.config as { bpm: number[] };
    const noise = tools.tensor('input:burst', [4410]).data;
    const burst = Float64Array.from(noise, (r, m) => 0.8 * Math.exp(-m / 1200) * r);
    const bed = tools.tensor('input:bed', [samples], 0.02).data;
    const frontEnd = createFrontEnd(frontEnds.tempo);
    const features = bpm.map((tempo) => frontEnd.apply(clickTrack(tempo, burst, (n) => bed[n]!)));
    const backbone = await loadTempoTcn(weightsBeside(tools));
    const x = batchOf(features);
    const scalars = tf.tidy(() => tf.squeeze(backbone.forward(x, { training: false }).branches!['z']!, [1]));
    const z = await arrayOf(scalars);
    tf.dispose([x, scalars]);
    disposeParams(backbone.params);
    const logs = (list: Iterable<number>): number[] => Array.from(list, (v) => Math.log(v));
    const { data, shape } = features[0]!;
    return { z, logmel_first: { data, shape: [1, ...shape] }, loglog_slope: slope(logs(bpm), logs(z.data)) };
  },
};

export const tempoGoldens: GoldenTargets = { 'tempo-real': tempoReal, 'tempo-real-noisy': tempoNoisy };
