/** Targets of the BEATs goldens: official names, [B, T, C], and channels first where the reference has them so. */
import { createFrontEnd, frontEnds } from '@unlabel/audio';
import {
  createRng,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, disposeParams, gradientToArray, tf, valueAndGrads } from '@unlabel/engine';
import { relativeBucket } from '@unlabel/nn';
import { unitArray, unitRows } from '@unlabel/objectives';
import { buildBeats, validFrames, type Beats } from './beats.ts';
import { buildBeatsTokenizer } from './beats-tokenizer.ts';

type Outputs = Record<string, NdArray | number>;
type Listed = readonly (readonly [name: string, shape: readonly number[], tiedTo?: string])[];

/** The authors' cfg. */
export interface BeatsCfg {
  readonly input_patch_size: number;
  readonly embed_dim: number;
  readonly conv_bias: boolean;
  readonly encoder_layers: number;
  readonly encoder_embed_dim: number;
  readonly encoder_ffn_embed_dim: number;
  readonly encoder_attention_heads: number;
  readonly activation_fn: string;
  readonly layer_norm_first: boolean;
  readonly deep_norm: boolean;
  readonly conv_pos: number;
  readonly conv_pos_groups: number;
  readonly relative_position_embedding: boolean;
  readonly num_buckets: number;
  readonly max_distance: number;
  readonly gru_rel_pos: boolean;
  readonly layer_wise_gradient_decay_ratio: number;
  readonly finetuned_model: boolean;
  readonly predictor_class: number;
}

/** Without dropout: goldens are of evaluation mode. */
export const fromCfg = (cfg: BeatsCfg): Record<string, unknown> => ({
  patchSize: cfg.input_patch_size,
  patchWidth: cfg.embed_dim,
  convBias: cfg.conv_bias,
  layers: cfg.encoder_layers,
  width: cfg.encoder_embed_dim,
  hidden: cfg.encoder_ffn_embed_dim,
  heads: cfg.encoder_attention_heads,
  activation: cfg.activation_fn,
  normFirst: cfg.layer_norm_first,
  deepNorm: cfg.deep_norm,
  positionKernel: cfg.conv_pos,
  positionGroups: cfg.conv_pos_groups,
  buckets: cfg.relative_position_embedding ? cfg.num_buckets : 0,
  maxDistance: cfg.max_distance,
  isGated: cfg.gru_rel_pos,
  classes: cfg.finetuned_model ? cfg.predictor_class : 0,
});

/** The hash rule's values of a list, tied names once. */
export const ruleValues = (list: unknown, tools: GoldenTools): Record<string, NdArray> =>
  Object.fromEntries(
    (list as Listed).filter((item) => item.length === 2).map(([key, shape]) => [key, tools.parameter(key, shape)]),
  );

export function beatsOf(cfg: BeatsCfg, list: unknown, tools: GoldenTools): Beats {
  const network = buildBeats(fromCfg(cfg), createRng(0));
  assignArrays(network.params, ruleValues(list, tools));
  return network;
}

interface AudioCase {
  readonly input: { readonly name: string; readonly batch: number; readonly n: number; readonly sr: number };
}

/** Normalised Kaldi bands of the golden's batch [B, F, T]. */
export function fbankOf({ input: { name, batch, n, sr } }: AudioCase, tools: GoldenTools): Tensor {
  const frontEnd = createFrontEnd(frontEnds.beats);
  const rows = Array.from({ length: batch }, (_, b) => frontEnd.apply(tools.audio(name, n, sr, b).data));
  return tf.tidy(() => tf.stack(rows.map(({ data, shape }) => tf.tensor(data, [...shape]))));
}

export async function readArray(tensor: Tensor, order?: readonly number[]): Promise<NdArray> {
  const turned = tf.tidy(() => (order ? tf.transpose(tensor, [...order]) : tf.clone(tensor)));
  try {
    return { data: Float32Array.from(await turned.data()), shape: turned.shape };
  } finally {
    turned.dispose();
  }
}

interface Pass {
  readonly network: Beats;
  readonly x: Tensor;
  /** Valid frames of each row. */
  readonly lengths?: readonly number[] | undefined;
  readonly prefix: string;
}

/** Every stage of a pass under the official names. */
async function stages({ network, x, lengths, prefix }: Pass, outputs: Outputs): Promise<void> {
  const channelsFirst = new Set(['patch_embedding', 'pos_conv']);
  const isFirst = network.config['normFirst'] === true;
  const tensors: Record<string, Tensor> = tf.tidy(() => {
    const options = { training: false, ...(lengths && { lengths: tf.tensor1d([...lengths]) }) };
    const trace = network.trace(x, options);
    const { branches } = network.forward(x, options);
    return {
      patch_embedding: trace.patches,
      layer_norm: trace.normed,
      post_extract_proj: trace.projected,
      pos_conv: trace.positions,
      ...(isFirst ? { encoder_final_norm: trace.tokens } : { encoder_layer_norm: trace.embedded }),
      ...Object.fromEntries(trace.layers.map((layer, i) => [`layer${i}`, layer])),
      output: branches?.['probabilities'] ?? trace.tokens,
      output_mean_over_tokens: tf.mean(trace.tokens, 1), // of padding too, which `clip` leaves out
      ...(trace.padding && { token_padding_mask: trace.padding }),
    };
  });
  for (const [name, tensor] of Object.entries(tensors)) {
    const order = channelsFirst.has(name) ? (tensor.rank === 4 ? [0, 3, 1, 2] : [0, 2, 1]) : undefined;
    outputs[`${prefix}.${name}`] = await readArray(tensor, order);
  }
  tf.dispose(tensors);
}

async function bias(network: Beats, tokens: number): Promise<NdArray> {
  const tensor = tf.tidy(() => network.encoder.bias(tokens));
  const array = await readArray(tensor);
  tensor.dispose();
  return array;
}

const base: GoldenTarget = {
  async run(golden, tools) {
    const [first, second] = golden.cases as readonly [AudioCase, { readonly padding_mask: string }];
    const network = beatsOf(golden.config as BeatsCfg, golden.params, tools);
    const x = fbankOf(first, tools);
    const outputs: Outputs = { fbank_normalised: await readArray(x, [0, 2, 1]) };
    const [frames, samples] = [x.shape[2]!, first.input.n];
    // "row 1 is padding from sample 22117 on"
    const from = Number(/from sample (\d+)/.exec(second.padding_mask)?.[1]);
    const lengths = [frames, validFrames(from, samples, frames)];
    await stages({ network, x, prefix: 'nomask' }, outputs);
    await stages({ network, x, lengths, prefix: 'mask' }, outputs);
    const { data, shape } = await bias(network, 40);
    const [heads = 0, n = 0] = shape;
    const row0 = Float32Array.from({ length: heads * n }, (_, i) => data[Math.floor(i / n) * n * n + (i % n)]!);
    outputs['bias_row0'] = { data: row0, shape: [heads, n] };
    x.dispose();
    disposeParams(network.params);
    return outputs;
  },
};

const small: GoldenTarget = {
  async run(golden, tools) {
    const [one] = golden.cases as readonly [AudioCase & { readonly padding_mask: string }];
    const x = fbankOf(one, tools);
    const outputs: Outputs = {};
    const [frames, samples] = [x.shape[2]!, one.input.n];
    // "row 1 padded from 8011, row 0 padded over the last 1000 samples"
    const [from = 0] = [...one.padding_mask.matchAll(/from (\d+)/g)].map((found) => Number(found[1]));
    const last = Number(/last (\d+) samples/.exec(one.padding_mask)?.[1] ?? 0);
    const lengths = [samples - last, from].map((valid) => validFrames(valid, samples, frames));
    for (const [variant, cfg] of Object.entries(golden.config as Record<string, BeatsCfg>)) {
      const network = beatsOf(cfg, golden[`params_${variant}`], tools);
      await stages({ network, x, prefix: `${variant}.nomask` }, outputs);
      if (cfg.input_patch_size === 16) await stages({ network, x, lengths, prefix: `${variant}.mask` }, outputs);
      if (variant === 'deep') await probe(network, x, golden, tools, outputs);
      disposeParams(network.params);
    }
    x.dispose();
    return outputs;
  },
};

/** Bias, buckets, and the gradients of mean(output · probe). */
async function probe(network: Beats, x: Tensor, golden: GoldenFile, tools: GoldenTools, outputs: Outputs) {
  outputs['deep.compute_bias_60'] = await bias(network, 60);
  const { buckets, maxDistance } = network.config as { buckets: number; maxDistance: number };
  const distances = Int32Array.from({ length: 181 }, (_, i) => relativeBucket(i - 90, buckets, maxDistance));
  outputs['deep.buckets'] = { data: Float32Array.from(distances), shape: [181] };
  const { loss, grads, dispose } = valueAndGrads(network.params, () => {
    const { tokens } = network.trace(x, { training: false });
    const { data } = tools.tensor('input:probe', tokens.shape, 1);
    return { loss: tf.mean(tf.mul(tokens, tf.tensor(data, tokens.shape))) as Scalar, logs: {} };
  });
  outputs['deep.probe_loss'] = (await loss.data())[0]!;
  for (const { name } of golden.outputs as readonly { readonly name: string }[]) {
    if (!name.startsWith('deep.grad.')) continue;
    const key = name.slice('deep.grad.'.length);
    outputs[name] = await gradientToArray(grads.get(key)!, network.params.get(key)!);
  }
  dispose();
}

/** Labels, what is quantised, and how far the best code is ahead of the second. */
const tokenizer: GoldenTarget = {
  async run(golden, tools) {
    const [one] = golden.cases as readonly [AudioCase];
    const cfg = golden.config as BeatsCfg & { readonly quant_n: number; readonly quant_dim: number };
    const network = buildBeatsTokenizer(
      { ...fromCfg(cfg), codes: cfg.quant_n, codeWidth: cfg.quant_dim },
      createRng(0),
    );
    const values = ruleValues(golden.params, tools);
    const codebook = 'quantize.embedding.weight';
    assignArrays(
      network.params,
      { ...values, [codebook]: unitArray(values[codebook]!) },
      { rename: (name) => (/(cluster_size|embed_avg|initted)$/.test(name) ? undefined : name) },
    );
    const x = fbankOf(one, tools);
    const options = { training: false };
    const frames = x.shape[2]!;
    const tensors = tf.tidy(() => {
      const encoded = network.encode(x, options);
      const unit = unitRows(tf.reshape(encoded, [-1, cfg.quant_dim]));
      const { values: best } = tf.topk(tf.matMul(unit as never, network.codebook as never, false, true), 2);
      const [first, second] = tf.unstack(best, 1) as [Tensor, Tensor];
      const lengths = tf.tensor1d([frames, validFrames(8011, one.input.n, frames)]);
      return {
        labels: tf.reshape(network.labels(x), [-1]),
        quantize_input: encoded,
        margin_cos_top1_minus_top2: tf.sub(first, second),
        labels_mask: tf.reshape(network.labels(x, { ...options, lengths }), [-1]),
      };
    });
    const outputs: Outputs = {};
    for (const [name, tensor] of Object.entries(tensors)) outputs[name] = await readArray(tensor);
    tf.dispose([x, ...Object.values(tensors)]);
    disposeParams(network.params);
    return outputs;
  },
};

export const beatsGoldens: GoldenTargets = {
  'beats-base': base,
  'beats-small': small,
  'beats-tokenizer-small': tokenizer,
  'beats-tokenizer-base': tokenizer,
};
