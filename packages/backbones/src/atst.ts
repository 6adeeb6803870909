/**
 * The transformer of ATST-Clip and ATST-Frame over patches of 64 mel bands × 4 frames, pre-norm, without biases in front of the
 * queries, keys and values.
 *
 * Clip: Li and Li, "ATST: Audio Representation Learning with Teacher-Student Transformer", Interspeech 2022, arXiv 2204.12076v3.
 * Frame: Li, Shao, Li, "Self-supervised Audio Teacher-Student Transformer for Both Clip-level and Frame-level Tasks", TASLP 2024, arXiv
 * 2306.04186v2. Structure and parameter names as Audio-WestlakeU/audiossl models/atst/audio_transformer.py and
 * methods/atstframe/audio_transformer.py@ec3a14db.
 *
 * Legend: B rows, F mel bands, T frames, p frames a patch, N = ⌊T/p⌋ patches, C class tokens (1 in Clip, 0 in Frame), D width.
 */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type ForwardOptions,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { copyParams, init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import { forked, fusedAttention, layerNorm, linear, risingRates, timmInit, transformerBlock } from '@unlabel/nn';
import { embedInChunks } from './atst-embed.ts';

const sizes = {
  tiny: { width: 192, heads: 3 },
  small: { width: 384, heads: 6 },
  base: { width: 768, heads: 12 },
} as const;

export const atstConfigSchema = z.strictObject({
  /** Clip has a class token, Frame has none and masks patches. */
  variant: z.enum(['clip', 'frame']).default('clip'),
  size: z.enum(['tiny', 'small', 'base']).default('small'),
  depth: z.int().min(1).max(64).default(12),
  /** D, in place of the size's own. */
  width: z.int().min(2).max(4096).optional().meta({ symbol: 'D' }),
  heads: z.int().min(1).max(64).optional(),
  /** Hidden width of the feed-forward layers; 4·D unless stated. */
  hidden: z.int().min(1).max(16384).optional(),
  /** F: mel bands of the input, all in one patch. */
  bands: z.int().min(1).max(1024).default(64).meta({ symbol: 'F' }),
  /** p: frames a patch. */
  patchFrames: z.int().min(1).max(64).default(4).meta({ symbol: 'p' }),
  /** Learned positions: the class token's and so many patches less one (Frame leaves the first unused). */
  positions: z.int().min(2).max(8192).default(251),
  /** Rate of stochastic depth in the last block, rising from 0 in the first. */
  dropPath: z.number().min(0).lt(1).default(0.1),
  /** Embeddings are outputs of so many last blocks behind the final norm, side by side; all of them unless stated. */
  embedBlocks: z.int().min(1).max(64).optional(),
  /** Longer clips are embedded in chunks of so many frames; 601 in Clip and 1001 in Frame unless stated. */
  chunkFrames: z.int().min(1).max(65536).optional(),
});
export type AtstConfig = z.output<typeof atstConfigSchema>;

const EPS = 1e-6;

export interface AtstForwardOptions extends ForwardOptions {
  /** 1 for patches that the network sees `mask_embed` of instead [B, N]. */
  readonly mask?: Tensor | undefined;
}

/** What one pass computed. */
export interface AtstPass {
  /** Output of each block, before the final norm [B, C + N, D]. */
  readonly blocks: readonly Tensor[];
  /** Last block behind the final norm [B, C + N, D]. */
  readonly tokens: Tensor;
}

export interface Atst extends Backbone {
  clone(): Atst;
  /** C: 1 or 0. */
  readonly classTokens: 0 | 1;
  /** Frames a chunk, see `AtstConfig`. */
  readonly chunkFrames: number;
  /** Blocks whose outputs make an embedding. */
  readonly embedBlocks: number;
  /** The final norm, for outputs of any block. */
  norm(tokens: Tensor): Tensor;
  /**
   * One chunk; x [B, F, T], `options.lengths` valid frames of each row [B]. Call inside `tf.tidy`.
   * @throws ConfigError for fewer frames than a patch, or more than there are positions for
   */
  pass(x: Tensor, options: AtstForwardOptions): AtstPass;
}

/**
 * `clip` is what the authors' linear evaluation takes: of each of `embedBlocks` blocks the class token, then of each the mean over
 * patches [B, 2·n·D] (Clip), or the means alone [B, n·D] (Frame), averaged over chunks. `frames` are the patches of these blocks
 * [B, N, n·D], one for `patchFrames` frames; what a chunk has beyond whole patches is left out, as the authors do, so that with
 * 1001 frames a chunk (250 patches) later frames lag by 10 ms a chunk.
 */
export const atst: BackboneFamily = { id: 'atst', build: buildAtst };

export function buildAtst(config: Readonly<Record<string, unknown>>, rng: Rng): Atst {
  const parsed = parseConfig(atstConfigSchema, config, 'atst');
  const { variant, depth, bands, patchFrames, positions } = parsed;
  const { width = sizes[parsed.size].width, heads = sizes[parsed.size].heads, embedBlocks = depth } = parsed;
  const { hidden = 4 * width, chunkFrames = variant === 'clip' ? 601 : 1001 } = parsed;
  const classTokens = variant === 'clip' ? 1 : 0;
  if (embedBlocks > depth) throw new ConfigError(`atst: embedBlocks ${embedBlocks} is more than the depth, ${depth}`);
  if (chunkFrames < patchFrames || Math.floor(chunkFrames / patchFrames) > positions - 1) {
    throw new ConfigError(
      `atst: a chunk of ${chunkFrames} frames; expected ${patchFrames} to ${positions * patchFrames - 1}, for ${positions - 1} positions.`,
    );
  }
  const small = (shape: readonly number[], name: string) => init.truncNormal(shape, 0.02, rng.fork(name));
  const maskEmbed = parameter(small([1, 1, width], 'mask_embed'));
  const classToken = classTokens ? parameter(small([1, 1, width], 'cls_token')) : undefined;
  const learned = parameter(small([1, positions, width], 'pos_embed'));
  const patches = linear(bands * patchFrames, width, rng.fork('patch_embed'));
  const blocks = risingRates(parsed.dropPath, depth).map((dropPath, i) => {
    const attention = fusedAttention({ width, heads, hasBias: false }, rng.fork(`blocks.${i}.attn`));
    return transformerBlock({ attention, width, hidden, eps: EPS, dropPath }, rng.fork(`blocks.${i}`));
  });
  const last = layerNorm(width, EPS);
  const linears = mergeParams(
    prefixed('patch_embed.patch_embed', patches.params),
    ...blocks.map((block, i) => prefixed(`blocks.${i}`, block.params)),
  );
  timmInit(linears, rng);
  const params = mergeParams(
    new Map([
      ['mask_embed', maskEmbed],
      ...(classToken ? [['cls_token', classToken] as const] : []),
      ['pos_embed', learned],
    ]),
    linears,
    prefixed(variant === 'clip' ? 'norm' : 'norm_frame', last.params),
  );

  /** [B, F, T] → [B, N, D], before positions. */
  const embedPatches = (x: Tensor): Tensor => {
    const [rows = 0, f, frames = 0] = x.shape;
    const count = Math.floor(frames / patchFrames);
    if (x.rank !== 3 || f !== bands || count < 1 || count > positions - 1) {
      throw new ConfigError(
        `atst: input is [${x.shape.join(', ')}]; expected [rows, ${bands}, ${patchFrames} to ${positions * patchFrames - 1} frames]`,
      );
    }
    const whole = tf.reshape(tf.slice(x, [0, 0, 0], [-1, -1, count * patchFrames]), [rows, bands, count, patchFrames]);
    return patches.forward(tf.reshape(tf.transpose(whole, [0, 2, 1, 3]), [rows, count, -1]), { training: false });
  };

  const pass = (x: Tensor, options: AtstForwardOptions): AtstPass => {
    let h = embedPatches(x); // [B, N, D]
    const [rows = 0, count = 0] = h.shape;
    if (options.mask) {
      const mask = tf.expandDims(tf.cast(options.mask, 'float32'), 2); // [B, N, 1]
      h = tf.add(tf.mul(h, tf.sub(1, mask)), tf.mul(maskEmbed, mask));
    }
    if (classToken) h = tf.concat([tf.tile(classToken, [rows, 1, 1]), h], 1);
    h = tf.add(h, tf.slice(learned, [0, 1 - classTokens, 0], [1, classTokens + count, width]));
    const padding = options.lengths && paddingOf(tf.floorDiv(options.lengths, patchFrames), count);
    const outputs = blocks.map((block, i) => {
      const call = { ...forked(options, `blocks.${i}`), ...(padding && { padding }) };
      // in a tidy of its own: what no gradient needs is freed at once
      return (h = tf.tidy(() => block.run(h, call).y));
    });
    return { blocks: outputs, tokens: last.forward(h, options) };
  };

  /** True where a key is padding [B, C + N]; class tokens are always seen. */
  const paddingOf = (valid: Tensor, count: number): Tensor =>
    tf.greaterEqual(tf.range(-classTokens, count, 1, 'float32'), tf.reshape(tf.cast(valid, 'float32'), [-1, 1]));

  const self: Atst = {
    id: 'atst',
    config: parsed,
    params,
    width: (1 + classTokens) * embedBlocks * width,
    frameWidth: embedBlocks * width,
    frameStride: patchFrames,
    classTokens,
    chunkFrames,
    embedBlocks,
    norm: (tokens) => last.forward(tokens, { training: false }),
    pass,
    forward: (x, options) => embedInChunks(self, x, options),
    clone() {
      const copy = buildAtst(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
  return self;
}
