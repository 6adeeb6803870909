/**
 * Vision Transformer: Dosovitskiy et al., arXiv 2010.11929v2, with the sizes of DeiT (Touvron et al., arXiv 2012.12877v2): tiny 192,
 * small 384, base 768 wide, heads of 64.
 *
 * Structure, parameter names and the bicubic stretching of positions as facebookresearch/dino vision_transformer.py@7c446df5 (timm's
 * names); no classifier.
 *
 * Legend: B rows, H, W pixels, p patch, h = H/p, w = W/p, N = h·w, D width.
 */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type Features,
  type ForwardOptions,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { copyParams, init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import {
  forked,
  fusedAttention,
  layerNorm,
  patchEmbed,
  risingRates,
  stretchGrid,
  timmInit,
  transformerBlock,
  type GridSize,
} from '@unlabel/nn';

const sizes = {
  tiny: { width: 192, heads: 3 },
  small: { width: 384, heads: 6 },
  base: { width: 768, heads: 12 },
} as const;

export const vitConfigSchema = z.strictObject({
  size: z.enum(['tiny', 'small', 'base']).default('small'),
  /** p: pixels on a side of a patch. */
  patchSize: z.int().min(1).max(64).default(16).meta({ symbol: 'p' }),
  /** Pixels on a side of the square the positions were learned for; other sizes stretch them. */
  imageSize: z.int().min(1).max(2048).default(224),
  channels: z.int().min(1).max(64).default(3),
  depth: z.int().min(1).max(64).default(12),
  /** D, in place of the size's own. */
  width: z.int().min(2).max(4096).optional().meta({ symbol: 'D' }),
  heads: z.int().min(1).max(64).optional(),
  /** Hidden width of the feed-forward layers over D. */
  mlpRatio: z.number().positive().max(16).default(4),
  /** Rate of stochastic depth in the last block, rising from 0 in the first. */
  dropPath: z.number().min(0).lt(1).default(0),
});
export type VitConfig = z.output<typeof vitConfigSchema>;

const EPS = 1e-6;
/** DINO adds this to the target size before it divides (its issue 8). */
const DINO_OFFSET = 0.1;

/** Everything a pass computed. */
export interface VitTrace {
  /** Class token, patches, positions added [B, 1 + N, D]. */
  readonly embedded: Tensor;
  /** Positions stretched to this input [1, 1 + N, D]. */
  readonly positions: Tensor;
  /** Output of each block, before the final norm [B, 1 + N, D]. */
  readonly blocks: readonly Tensor[];
  /** Attention of the last block [B, heads, 1 + N, 1 + N]. */
  readonly attention: Tensor;
  /** Last block behind the final norm [B, 1 + N, D]. */
  readonly tokens: Tensor;
  readonly grid: GridSize;
}

export interface Vit extends Backbone {
  clone(): Vit;
  /** The final norm, for outputs of earlier blocks (linear probes take several). */
  norm(tokens: Tensor): Tensor;
  /** Call inside `tf.tidy`. x [B, H, W, I] */
  trace(x: Tensor, options: ForwardOptions): VitTrace;
}

/**
 * Feature maps offered by name: `patches` [B, h, w, D] behind the final norm, `block0`, `block1`, … [B, h, w, D] before it. `clip` is the
 * class token behind the final norm.
 */
export const vit: BackboneFamily = { id: 'vit', build: buildVit };

export function buildVit(config: Readonly<Record<string, unknown>>, rng: Rng): Vit {
  const parsed = parseConfig(vitConfigSchema, config, 'vit');
  const { patchSize, imageSize, channels, depth } = parsed;
  const { width = sizes[parsed.size].width, heads = sizes[parsed.size].heads } = parsed;
  if (imageSize % patchSize !== 0) throw new ConfigError(`vit: imageSize ${imageSize} is no multiple of ${patchSize}`);
  const side = imageSize / patchSize;
  const small = (shape: readonly number[], name: string) => init.truncNormal(shape, 0.02, rng.fork(name));
  const classToken = parameter(small([1, 1, width], 'cls_token'));
  const learned = parameter(small([1, 1 + side * side, width], 'pos_embed'));
  const patches = patchEmbed({ patch: [patchSize, patchSize], channels, width }, rng.fork('patch_embed.proj'));
  const blocks = risingRates(parsed.dropPath, depth).map((dropPath, i) => {
    const draws = rng.fork(`blocks.${i}`);
    const attention = fusedAttention({ width, heads }, draws.fork('attn'));
    return transformerBlock(
      { attention, width, hidden: Math.round(width * parsed.mlpRatio), eps: EPS, dropPath },
      draws,
    );
  });
  blocks.forEach((block, i) => timmInit(block.params, rng, `blocks.${i}.`));
  const last = layerNorm(width, EPS);
  const params = mergeParams(
    new Map([
      ['cls_token', classToken],
      ['pos_embed', learned],
    ]),
    prefixed('patch_embed.proj', patches.params),
    ...blocks.map((block, i) => prefixed(`blocks.${i}`, block.params)),
    prefixed('norm', last.params),
  );

  const positionsFor = (grid: GridSize): Tensor => {
    if (grid.height === side && grid.width === side) return learned;
    const [forClass, forPatches] = tf.split(learned, [1, side * side], 1) as [Tensor, Tensor];
    return tf.concat([forClass, stretchGrid(forPatches, { height: side, width: side }, grid, DINO_OFFSET)], 1);
  };

  const run = (x: Tensor, options: ForwardOptions, wantsAttention: boolean) => {
    const map = patches.forward(x); // [B, h, w, D]
    const [rows = 1, height = 1, across = 1] = map.shape;
    const grid = { height, width: across };
    const positions = positionsFor(grid);
    const forAll = tf.tile(classToken, [rows, 1, 1]);
    const embedded = tf.add(tf.concat([forAll, tf.reshape(map, [rows, -1, width])], 1), positions);
    let attention: Tensor | undefined;
    let h: Tensor = embedded;
    const outputs = blocks.map((block, i) => {
      const wantsWeights = wantsAttention && i === depth - 1;
      const ran = block.run(h, { ...forked(options, `blocks.${i}`), wantsWeights });
      attention = ran.weights;
      return (h = ran.y);
    });
    return {
      embedded,
      positions,
      blocks: outputs,
      attention,
      tokens: last.forward(h, options),
      grid,
    };
  };

  const forward = (x: Tensor, options: ForwardOptions): Features => {
    const { tokens, blocks: outputs, grid } = run(x, options, false);
    const asMap = (t: Tensor): Tensor =>
      tf.reshape(tf.slice(t, [0, 1, 0], [-1, -1, -1]), [t.shape[0]!, grid.height, grid.width, width]);
    const maps: Record<string, Tensor> = {};
    for (const name of options.maps ?? []) {
      const found = name === 'patches' ? tokens : outputs[Number(/^block(\d+)$/.exec(name)?.[1] ?? -1)];
      if (found) maps[name] = asMap(found);
    }
    return { clip: tf.reshape(tf.slice(tokens, [0, 0, 0], [-1, 1, -1]), [-1, width]), maps };
  };

  return {
    id: 'vit',
    config: parsed,
    params,
    width,
    frameWidth: 0,
    frameStride: patchSize,
    norm: (tokens) => last.forward(tokens, { training: false }),
    trace: (x, options) => {
      const { attention, ...rest } = run(x, options, true);
      return { ...rest, attention: attention! };
    },
    forward,
    clone() {
      const copy = buildVit(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}
