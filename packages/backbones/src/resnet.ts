/**
 * ResNet-18, -34, -50: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv 1512.03385v1.
 *
 * Layout and parameter names as torchvision models/resnet.py 0.29 (Bottleneck strides in its 3×3, "v1.5") without its classifier `fc`.
 *
 * Legend: B rows, H, W pixels, I input channels, C channels of a stage, D width.
 */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type Features,
  type ForwardOptions,
  type Params,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { copyParams, init, mergeParams, prefixed, tf } from '@unlabel/engine';
import { convNorm, maxPool2d, type ConvNorm, type LayerOptions } from '@unlabel/nn';

const depths = {
  18: { block: 'basic', blocks: [2, 2, 2, 2] },
  34: { block: 'basic', blocks: [3, 4, 6, 3] },
  50: { block: 'bottleneck', blocks: [3, 4, 6, 3] },
} as const;

const fourSizes = z.array(z.int().min(1).max(4096)).length(4);

export const resnetConfigSchema = z.strictObject({
  depth: z
    .union([z.literal(18), z.literal(34), z.literal(50)])
    .default(50)
    .meta({ paper: 'Tab. 1' }),
  /** Blocks of each stage, in place of the depth's own. */
  blocks: fourSizes.optional(),
  /** Channels of each stage; a bottleneck's output has four times as many. */
  widths: fourSizes.default([64, 128, 256, 512]),
  /** I: channels of the input. */
  channels: z.int().min(1).max(64).default(3).meta({ symbol: 'I' }),
  /** `large`: 7×7 with stride 2 and a max pool. `small`: 3×3 with stride 1 and no pool, for images of 32 to 64 pixels. */
  stem: z.enum(['large', 'small']).default('large'),
  /** First gain of each block's last batch norm is 0, so that blocks start as identities (Goyal et al., arXiv 1706.02677, §5.1). */
  isZeroInit: z.boolean().default(false),
});
export type ResnetConfig = z.output<typeof resnetConfigSchema>;

export interface ResnetForwardOptions extends ForwardOptions {
  /** Rows are this many equal runs (views in one batch) with batch statistics of their own. Default: one. */
  readonly groups?: number;
  /**
   * What normalises when training: the batch (and the running statistics follow), or the running statistics, left alone: for
   * fine-tuning and frozen networks. Default `batch`.
   */
  readonly statistics?: 'batch' | 'running';
}

export interface Resnet extends Backbone {
  forward(x: Tensor, options: ResnetForwardOptions): Features;
  clone(): Resnet;
}

interface Block {
  readonly params: Params;
  forward(x: Tensor, options: LayerOptions): Tensor;
}

/**
 * Feature maps offered by name: `stem`, `layer1`, …, `layer4` [B, H/s, W/s, C], s = 4, 4, 8, 16, 32 (large stem), and `conv1`, the stem
 * before its pool, s = 2.
 */
export const resnet: BackboneFamily = { id: 'resnet', build: buildResnet };

export function buildResnet(config: Readonly<Record<string, unknown>>, rng: Rng): Resnet {
  const parsed = parseConfig(resnetConfigSchema, config, 'resnet');
  const { widths, channels, stem: stemKind, isZeroInit } = parsed;
  const { block, blocks: usual } = depths[parsed.depth];
  const counts = parsed.blocks ?? usual;
  const expansion = block === 'basic' ? 1 : 4;
  const isLarge = stemKind === 'large';
  const stem = convNorm(channels, widths[0]!, isLarge ? 7 : 3, rng.fork('conv1'), {
    stride: isLarge ? 2 : 1,
    padding: isLarge ? 3 : 1,
    init: 'kaimingFanOut',
  });
  const pool = maxPool2d(3, { stride: 2, padding: 1 });
  let inputs = widths[0]!;
  const stages = widths.map((width, stage) =>
    Array.from({ length: counts[stage]! }, (_, i): Block => {
      const shape = { inputs, width, stride: i === 0 && stage > 0 ? 2 : 1, isZeroInit };
      inputs = width * expansion;
      return residual(block, shape, rng.fork(`layer${stage + 1}.${i}`));
    }),
  );
  const params = mergeParams(
    prefixed('conv1', stem.conv.params),
    prefixed('bn1', stem.norm.params),
    ...stages.flatMap((blocks, stage) => blocks.map((one, i) => prefixed(`layer${stage + 1}.${i}`, one.params))),
  );
  const width = inputs;

  const forward = (x: Tensor, options: ResnetForwardOptions): Features => {
    if (x.rank !== 4 || x.shape[3] !== channels) {
      throw new ConfigError(`resnet: input is [${x.shape.join(', ')}]; expected [rows, height, width, ${channels}]`);
    }
    const { groups, statistics = 'batch' } = options;
    const call: LayerOptions = {
      training: options.training && statistics === 'batch',
      ...(groups === undefined ? {} : { groups }),
    };
    const maps: Record<string, Tensor> = {};
    const keep = (name: string, own: Tensor): Tensor => {
      const map = options.lateral ? options.lateral(name, own) : own;
      if (options.maps?.includes(name)) maps[name] = map;
      return map;
    };
    const first = stem.forward(x, call); // [B, H/2, W/2, C]
    if (options.maps?.includes('conv1')) maps['conv1'] = first;
    let h = keep('stem', isLarge ? pool.forward(first, call) : first); // [B, H/4, W/4, C]
    stages.forEach((blocks, i) => {
      h = keep(
        `layer${i + 1}`,
        blocks.reduce((map, one) => one.forward(map, call), h),
      );
    });
    return { clip: tf.mean(h, [1, 2]), maps };
  };

  return {
    id: 'resnet',
    config: parsed,
    params,
    width,
    frameWidth: 0,
    frameStride: isLarge ? 32 : 8,
    mapWidths: { stem: widths[0]!, ...Object.fromEntries(widths.map((w, i) => [`layer${i + 1}`, w * expansion])) },
    forward,
    clone() {
      const copy = buildResnet(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

interface BlockShape {
  readonly inputs: number;
  readonly width: number;
  readonly stride: number;
  readonly isZeroInit: boolean;
}

/** relu(F(x) + x), Eq. 1; where shapes differ, + W·x instead (Eq. 2). */
function residual(kind: 'basic' | 'bottleneck', { inputs, width, stride, isZeroInit }: BlockShape, rng: Rng): Block {
  const outputs = kind === 'basic' ? width : 4 * width;
  const layer = (name: string, from: number, to: number, kernel: number, step: number, end = {}): ConvNorm =>
    convNorm(from, to, kernel, rng.fork(name), {
      stride: step,
      padding: (kernel - 1) / 2,
      init: 'kaimingFanOut',
      ...end,
    });
  const last = { hasShortcut: true };
  const path =
    kind === 'basic'
      ? [layer('conv1', inputs, width, 3, stride), layer('conv2', width, width, 3, 1, last)]
      : [
          layer('conv1', inputs, width, 1, 1),
          layer('conv2', width, width, 3, stride),
          layer('conv3', width, outputs, 1, 1, last),
        ];
  const shortcut =
    stride === 1 && inputs === outputs ? undefined : layer('downsample.0', inputs, outputs, 1, stride, { relu: false });
  if (isZeroInit) {
    const gain = path.at(-1)!.norm.weight!;
    tf.tidy(() => gain.assign(tf.tensor(init.zeros(gain.shape).data, gain.shape)));
  }
  return {
    params: mergeParams(
      ...path.flatMap(({ conv, norm }, i) => [
        prefixed(`conv${i + 1}`, conv.params),
        prefixed(`bn${i + 1}`, norm.params),
      ]),
      ...(shortcut
        ? [prefixed('downsample.0', shortcut.conv.params), prefixed('downsample.1', shortcut.norm.params)]
        : []),
    ),
    forward(x, options) {
      const beside = shortcut ? shortcut.forward(x, options) : x;
      const before = path.slice(0, -1).reduce((map, one) => one.forward(map, options), x);
      return path.at(-1)!.forward(before, options, beside);
    },
  };
}
