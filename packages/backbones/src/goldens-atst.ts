/** Targets of ATST's encoder goldens: behind the project's own front-end, as the authors run them. */
import { createFrontEnd, frontEnds } from '@unlabel/audio';
import {
  createRng,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, disposeParams, tf } from '@unlabel/engine';
import { embedInChunks } from './atst-embed.ts';
import { buildAtst, type Atst, type AtstPass } from './atst.ts';
import { ruleArrays } from './goldens-image.ts';

type Outputs = Record<string, NdArray>;

interface AtstGolden {
  readonly embed_dim: number;
  readonly depth: number;
  readonly num_heads: number;
}

const still = { training: false } as const;

async function read(tensor: Tensor): Promise<NdArray> {
  return { data: (await tensor.data<'float32'>()).slice(), shape: tensor.shape };
}

async function readAll(tensors: Readonly<Record<string, Tensor>>): Promise<Outputs> {
  const outputs: Outputs = {};
  for (const [name, tensor] of Object.entries(tensors)) outputs[name] = await read(tensor);
  tf.dispose(Object.values(tensors));
  return outputs;
}

function build(golden: GoldenFile, tools: GoldenTools, variant: 'clip' | 'frame'): Atst {
  const { embed_dim: width, depth, num_heads: heads } = golden.config as AtstGolden;
  const backbone = buildAtst({ variant, width, depth, heads }, createRng(0));
  assignArrays(backbone.params, ruleArrays(golden.params, '', tools));
  return backbone;
}

interface BatchCase {
  readonly input: { readonly name: string; readonly batch: number; readonly n: number; readonly sr: number };
  readonly lengths: readonly number[];
}

/** Spectrograms of the batch's clips, each with its own maximum [B, F, T]. */
function spectrograms({ input }: BatchCase, tools: GoldenTools): NdArray {
  const frontEnd = createFrontEnd(frontEnds.atst);
  const rows = Array.from({ length: input.batch }, (_, b) =>
    frontEnd.apply(tools.audio(input.name, input.n, input.sr, b).data),
  );
  const [bands = 0, frames = 0] = rows[0]!.shape;
  const data = new Float32Array(rows.length * bands * frames);
  rows.forEach((row, b) => data.set(row.data, b * bands * frames));
  return { data, shape: [rows.length, bands, frames] };
}

const clip: GoldenTarget = {
  async run(golden, tools) {
    const batch = golden.cases![0] as BatchCase;
    const mel = spectrograms(batch, tools);
    const [rows, bands, frames] = mel.shape as [number, number, number];
    const backbone = build(golden, tools, 'clip');
    const x = tf.tensor(mel.data, [...mel.shape]);
    const lengths = tf.tensor1d([...batch.lengths]);
    const outputs: Outputs = { mel_norm: { data: mel.data, shape: [rows, 1, bands, frames] } };
    const embed = async (name: string, embedBlocks: number, chunkFrames: number): Promise<void> => {
      const found = tf.tidy(
        () => embedInChunks({ ...backbone, embedBlocks, chunkFrames }, x, { ...still, lengths }).clip,
      );
      outputs[name] = await read(found);
      const classes = tf.tidy(() => tf.slice(found, [0, 0], [-1, found.shape[1]! / 2]));
      outputs[`${name}_cls_only`] = await read(classes);
      tf.dispose([found, classes]);
    };
    const wanted = (name: string): boolean =>
      (golden.outputs as readonly { name: string }[]).some((one) => one.name === name);
    await embed('chunks_n12_601', 12, 601);
    await embed('chunks_n1_601', 1, 601);
    if (wanted('chunks_n3_301')) await embed('chunks_n3_301', 3, 301);
    Object.assign(
      outputs,
      await readAll(
        tf.tidy((): Record<string, Tensor> => {
          const first = tf.slice(x, [0, 0, 0], [-1, -1, Math.min(601, frames)]);
          const { blocks, tokens } = backbone.pass(first, { ...still, lengths: tf.minimum(lengths, 601) });
          const short = tf.slice(x, [0, 0, 0], [1, -1, 222]);
          const two = wanted('intermediate_n2_nolength')
            ? lastBlocks(backbone, backbone.pass(short, still), 2)
            : undefined;
          return {
            forward_cls_601: tf.squeeze(tf.slice(tokens, [0, 0, 0], [-1, 1, -1]), [1]),
            ...Object.fromEntries([0, 5, 11].map((i) => [`block${i}`, tf.clone(blocks[i]!)])),
            ...(two && { intermediate_n2_nolength: two }),
          };
        }),
      ),
    );
    tf.dispose([x, lengths]);
    disposeParams(backbone.params);
    return outputs;
  },
};

/** The last n blocks behind the final norm [n, B, C + N, D]. */
const lastBlocks = (backbone: Atst, { blocks }: AtstPass, n: number): Tensor =>
  tf.stack(blocks.slice(-n).map((block) => backbone.norm(block)));

const frame: GoldenTarget = {
  async run(golden, tools) {
    const batch = golden.cases![0] as BatchCase;
    const mel = spectrograms(batch, tools);
    const backbone = build(golden, tools, 'frame');
    const [rows, , frames] = mel.shape as [number, number, number];
    const count = Math.floor(frames / 4);
    const isMasked = Array.from(tools.tensor('input:mask', [rows, count], 1).data, (value) => value > 0.2);
    const gathered = isMasked.flatMap((masked, i) =>
      masked && i % count < Math.floor(batch.lengths[Math.floor(i / count)]! / 4) ? [i] : [],
    );
    const x = tf.tensor(mel.data, [...mel.shape]);
    const lengths = tf.tensor1d([...batch.lengths]);
    const outputs = await readAll(
      tf.tidy((): Record<string, Tensor> => {
        const mask = tf.tensor2d(isMasked.map(Number), [rows, count]);
        const pick = (pass: AtstPass): Tensor =>
          tf.gather(tf.reshape(pass.tokens, [rows * count, -1]), tf.tensor1d(gathered, 'int32'));
        const { clip: scene, frames: timestamps } = backbone.forward(x, { ...still, lengths });
        return {
          forward_masked: pick(backbone.pass(x, { ...still, lengths, mask })),
          forward_unmasked_input: pick(backbone.pass(x, { ...still, lengths })),
          scene_n12: scene,
          timestamps_n12: timestamps!,
        };
      }),
    );
    const long = golden.cases?.find((one) => (one as { name?: string }).name === 'long') as
      { input: { name: string; n: number; sr: number } } | undefined;
    if (long) {
      const { data, shape } = createFrontEnd(frontEnds.atst).apply(
        tools.audio(long.input.name, long.input.n, long.input.sr).data,
      );
      const found = tf.tidy(() => {
        const { clip: scene, frames: timestamps } = backbone.forward(tf.tensor(data, [1, ...shape]), still);
        return { long_scene: scene, long_timestamps: timestamps! };
      });
      Object.assign(outputs, await readAll(found));
    }
    tf.dispose([x, lengths]);
    disposeParams(backbone.params);
    return outputs;
  },
};

export const atstGoldens: GoldenTargets = { 'atst-clip-*': clip, 'atst-frame-*': frame };
