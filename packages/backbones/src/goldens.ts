/** Targets of the backbone goldens. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFrontEnd, frontEnds } from '@unlabel/audio';
import {
  createRng,
  DataError,
  type Backbone,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, disposeParams, gradientToArray, tf, toArrays, valueAndGrads } from '@unlabel/engine';
import { parseSafetensors } from '@unlabel/formats';
import { audioNttName } from './audio-ntt-names.ts';
import { buildAudioNtt } from './audio-ntt.ts';

const rng = createRng(0);

async function read(tensor: Tensor): Promise<NdArray> {
  return { data: (await tensor.data<'float32'>()).slice(), shape: tensor.shape };
}

/** Load a golden's parameter list, made by the hash rule. */
function loadRule(backbone: Backbone, list: unknown, tools: GoldenTools): void {
  const arrays: Record<string, NdArray> = {};
  for (const [key, shape] of list as readonly [string, number[]][]) arrays[key] = tools.parameter(key, shape);
  assignArrays(backbone.params, arrays, { rename: audioNttName });
}

/** Input [B, 1, F, T] of the references → ours [B, F, T]. */
const asInput = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [shape[0]!, shape[2]!, shape[3]!]);

async function hashNetwork(
  version: 'v1' | 'v2',
  golden: GoldenFile,
  tools: GoldenTools,
): Promise<Record<string, NdArray | number>> {
  const backbone = buildAudioNtt({ version: version === 'v1' ? '2020' : '2022', width: 2048, dropout: 0 }, rng);
  loadRule(backbone, golden[`params_${version}`], tools);
  const last = version === 'v1' ? 'stage3' : 'stage2';
  const x = asInput(tools.tensor('input:lms', [2, 1, 64, 96], 2));
  const outputs: Record<string, NdArray | number> = {};
  const [features, embedding] = tf.tidy(() => {
    const { clip, maps } = backbone.forward(x, { training: false, maps: [last] });
    return [tf.transpose(maps![last]!, [0, 3, 1, 2]), clip];
  }) as [Tensor, Tensor];
  outputs[`${version}.features`] = await read(features);
  outputs[`${version}.embedding`] = await read(embedding);
  const probe = tools.tensor('input:probe', [2, backbone.width], 1);
  let trained: Tensor | undefined;
  const { loss, grads, dispose } = valueAndGrads(backbone.params, () => {
    const { clip } = backbone.forward(x, { training: true });
    trained = tf.keep(tf.clone(clip));
    return { loss: tf.mean(tf.mul(clip, tf.tensor(probe.data, [...probe.shape]))) as Scalar, logs: {} };
  });
  outputs[`${version}.embedding_train`] = await read(trained!);
  outputs[`${version}.probe_loss_train`] = (await loss.data())[0]!;
  for (const [name, grad] of grads) {
    outputs[`${version}.grad.${name}`] = await gradientToArray(grad, backbone.params.get(name)!);
  }
  const after = await toArrays(backbone.params);
  for (const stage of ['features.1', 'features.5']) {
    outputs[`${version}.running_mean_after.${stage}`] = after[`${stage}.running_mean`]!;
    outputs[`${version}.running_var_after.${stage}`] = after[`${stage}.running_var`]!;
  }
  dispose();
  tf.dispose([x, features, embedding, trained!]);
  disposeParams(backbone.params);
  return outputs;
}

const byolaHash: GoldenTarget = {
  run: async (golden, tools) => ({
    ...(await hashNetwork('v1', golden, tools)),
    ...(await hashNetwork('v2', golden, tools)),
  }),
};

interface RealCase {
  readonly name: string;
  readonly frontend: 'torchaudio' | 'librosa_reflect';
  readonly input: { readonly name: string; readonly n: number; readonly sr: number };
}

/** Published weights, carried along under their licence. */
export const byolSWeights = fileURLToPath(new URL('../fixtures/weights/byol-s-d512.safetensors', import.meta.url));

const byolsReal: GoldenTarget = {
  async run(golden, tools) {
    const besides = join(tools.dir, 'weights', 'byol-s-d512.safetensors');
    const path = existsSync(besides) ? besides : byolSWeights;
    if (!existsSync(path)) throw new DataError(`${path}: the BYOL-S weights are missing`);
    const file = parseSafetensors(await readFile(path), path);
    const backbone = buildAudioNtt({ width: 512 }, rng);
    assignArrays(backbone.params, Object.fromEntries(file.names.map((name) => [name, file.readFloat32(name)])));
    const [mean, std] = (golden.config as { norm_stats: [number, number] }).norm_stats;
    const outputs: Record<string, NdArray> = {};
    for (const { name, frontend, input } of golden.cases as readonly RealCase[]) {
      const preset = frontEnds[frontend === 'torchaudio' ? 'byol-a' : 'delores'];
      const lms = createFrontEnd({ ...preset, normalize: { kind: 'fixed', mean, std } }).apply(
        tools.audio(input.name, input.n, input.sr).data,
      );
      const shape = [1, 1, ...lms.shape];
      const tensors = tf.tidy(() => {
        const { clip, frames, maps } = backbone.forward(asInput({ data: lms.data, shape }), {
          training: false,
          maps: ['stage3'],
        });
        return { embedding: clip, frame_embeddings: frames!, features: tf.transpose(maps!['stage3']!, [0, 3, 1, 2]) };
      });
      outputs[`${name}.${frontend}.lms_norm`] = { data: lms.data, shape };
      for (const [key, tensor] of Object.entries(tensors)) outputs[`${name}.${frontend}.${key}`] = await read(tensor);
      tf.dispose(tensors);
    }
    disposeParams(backbone.params);
    return outputs;
  },
};

export const goldens: GoldenTargets = { 'byola-hash': byolaHash, 'byols-real-d512': byolsReal };
