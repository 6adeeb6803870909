/**
 * A residual network cut off after a stage: its embedding is that stage's map, averaged over a few windows and laid out as one vector,
 * for linear probes of each depth. Windows are those of Goyal et al., "Scaling and Benchmarking Self-Supervised Visual Representation
 * Learning", ICCV 2019, arXiv 1905.01235v2, as facebookresearch/vissl@09270ed configures them for 224 pixels, where a ResNet-50's
 * vectors have 8192 or 9216 values; at other sizes, adaptive windows on the same grid.
 *
 * Legend: B rows, S side of the images, M side of a map, G side of the grid, C channels.
 */
import { ConfigError, type Backbone, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

interface Windows {
  /** Of `Features.maps`. */
  readonly map: string;
  /** M for images of 224 pixels. */
  readonly side: number;
  readonly kernel: number;
  readonly stride: number;
  /** Zeros around the map, which count in the means. */
  readonly padding: number;
}

/** By VISSL's names: `conv1` is the stem before its pool, `res2` … `res5` the stages. */
const windows = {
  conv1: { map: 'conv1', side: 112, kernel: 10, stride: 10, padding: 4 },
  res2: { map: 'layer1', side: 56, kernel: 16, stride: 8, padding: 0 },
  res3: { map: 'layer2', side: 28, kernel: 13, stride: 5, padding: 0 },
  res4: { map: 'layer3', side: 14, kernel: 8, stride: 3, padding: 0 },
  res5: { map: 'layer4', side: 7, kernel: 6, stride: 1, padding: 0 },
} as const satisfies Readonly<Record<string, Windows>>;

export type StageTap = keyof typeof windows;
export const stageTaps = Object.keys(windows) as readonly StageTap[];

/**
 * The network with a stage for its end: `clip` [B, C·G·G] is that map's window means, channel after channel, rows of the grid first.
 * Shares `backbone`'s parameters.
 * @param size S of the images it will see
 * @throws ConfigError naming the network when it has no such stage
 */
export function tapStage(backbone: Backbone, tap: StageTap, size: number): Backbone {
  const { map, ...own } = windows[tap];
  const mapOf = (x: Tensor): Tensor => {
    const found = backbone.forward(x, { training: false, maps: [map] }).maps?.[map];
    if (found) return found;
    throw new ConfigError(
      `${tap}: ${backbone.id} has no such stage; expected a residual network, or the embedding without #${tap}.`,
    );
  };
  const [, side = 0, , channels = 0] = tf.tidy(
    () => mapOf(tf.zeros([1, size, size, backboneChannels(backbone)])).shape,
  );
  const means = windowMeans(side, own);
  const grid = means.length / side;
  const width = channels * grid * grid;
  return {
    ...backbone,
    width,
    frameWidth: 0,
    forward: (x) => ({ clip: tf.reshape(averaged(mapOf(x), means), [x.shape[0]!, width]) }),
    clone: () => tapStage(backbone.clone(), tap, size),
  };
}

const backboneChannels = ({ config }: Backbone): number => Number(config['channels'] ?? 3);

/**
 * Which share each place of a side has in each window [G, M]. At the stated side, windows of `kernel` places every `stride`, as torch's
 * `AvgPool2d`; at another, its `AdaptiveAvgPool2d` to the same grid, or to the map's own side where that is less.
 */
export function windowMeans(
  side: number,
  { side: stated, kernel, stride, padding }: Omit<Windows, 'map'>,
): Float32Array {
  const full = Math.floor((stated + 2 * padding - kernel) / stride) + 1;
  const grid = Math.min(full, side);
  const shares = new Float32Array(grid * side);
  for (let i = 0; i < grid; i++) {
    const [from, to, weight] =
      side === stated
        ? [i * stride - padding, i * stride - padding + kernel, 1 / kernel]
        : adaptive(Math.floor((i * side) / grid), Math.ceil(((i + 1) * side) / grid));
    for (let at = Math.max(0, from); at < Math.min(side, to); at++) shares[i * side + at] = weight;
  }
  return shares;
}

const adaptive = (from: number, to: number): [number, number, number] => [from, to, 1 / (to - from)];

/** x [B, M, M, C] → [B, C, G, G]. */
function averaged(x: Tensor, means: Float32Array): Tensor {
  const [rows = 0, side = 0, , channels = 0] = x.shape;
  const grid = means.length / side;
  const shares = tf.tensor2d(means, [grid, side]);
  const along = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1, side]); // [B·C·M, M]
  const columns = tf.reshape(tf.matMul(along, shares, false, true), [rows * channels, side, grid]);
  const down = tf.reshape(tf.transpose(columns, [0, 2, 1]), [-1, side]); // [B·C·G, M]
  const both = tf.reshape(tf.matMul(down, shares, false, true), [rows, channels, grid, grid]);
  return tf.transpose(both, [0, 1, 3, 2]);
}
