/**
 * BEATs' distilled tokenizer: the encoder, two layers into the codes' space, and a codebook of unit vectors. Chen et al., arXiv 2212.09058v1
 * §3.2; names as microsoft/unilm beats/Tokenizers.py@768a3c8.
 *
 * Legend: B rows, N tokens, D width, K codes, C code width.
 */
import { z } from 'zod';
import { parseConfig, type Backbone, type BackboneFamily, type ForwardOptions, type Rng, type Tensor, type Variable } from '@unlabel/core'; // prettier-ignore
import { copyParams, init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import { linear, sequential, stateless } from '@unlabel/nn';
import { nearestCodes, unitArray, unitRows } from '@unlabel/objectives';
import { beatsFields, buildBeats, type Beats } from './beats.ts';

export const beatsTokenizerConfigSchema = z.strictObject({
  ...beatsFields,
  /** K. */
  codes: z.int().min(2).max(65536).default(1024).meta({ symbol: 'K', paper: '§4.2' }),
  /** C. */
  codeWidth: z.int().min(1).max(4096).default(256).meta({ paper: '§4.2' }),
});
export type BeatsTokenizerConfig = z.output<typeof beatsTokenizerConfigSchema>;

export interface BeatsTokenizer extends Backbone {
  readonly beats: Beats;
  /** K. */
  readonly codes: number;
  /** Unit rows [K, C]; not moved by gradients. */
  readonly codebook: Variable;
  /** What is quantised, before it is brought to unit length: x [B, F, T] → [B, N, C]. Call inside `tf.tidy`. */
  encode(x: Tensor, options: ForwardOptions): Tensor;
  /** The code of each patch: x [B, F, T] → [B, N], int32. Padded patches have one too. */
  labels(x: Tensor, options?: ForwardOptions): Tensor;
  clone(): BeatsTokenizer;
}

/** Embeddings are the encoder's. */
export const beatsTokenizer: BackboneFamily = { id: 'beats-tokenizer', build: buildBeatsTokenizer };

export function buildBeatsTokenizer(config: Readonly<Record<string, unknown>>, rng: Rng): BeatsTokenizer {
  const parsed = parseConfig(beatsTokenizerConfigSchema, config, 'beats-tokenizer');
  const { codes, codeWidth, ...encoder } = parsed;
  const beats = buildBeats(encoder, rng);
  const { width } = parsed;
  const layers = sequential([
    linear(width, width, rng.fork('quantize_layer.0')),
    stateless((x) => tf.tanh(x)),
    linear(width, codeWidth, rng.fork('quantize_layer.2')),
  ]);
  const codebook = parameter(unitArray(init.normal([codes, codeWidth], 1, rng.fork('quantize'))), { trainable: false });
  const params = mergeParams(
    beats.params,
    prefixed('quantize_layer', layers.params),
    new Map([['quantize.embedding.weight', codebook]]),
  );
  const encode = (x: Tensor, options: ForwardOptions): Tensor =>
    layers.forward(beats.trace(x, options).tokens, options);

  return {
    ...beats,
    id: 'beats-tokenizer',
    config: parsed,
    params,
    beats,
    codes,
    codebook,
    encode,
    labels(x, options = { training: false }) {
      const unit = unitRows(tf.reshape(encode(x, options), [-1, codeWidth]));
      return tf.reshape(nearestCodes(unit, codebook), [x.shape[0]!, -1]);
    },
    clone() {
      const copy = buildBeatsTokenizer(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}
