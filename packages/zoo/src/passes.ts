/** Spectrograms through a backbone, so many frames a pass: clips of equal length together, long ones window by window. */
import { ConfigError, type Backbone, type NdArray } from '@unlabel/core';
import { tf } from '@unlabel/engine';

export interface Group {
  readonly indices: number[];
  readonly rows: NdArray[];
}

/** Clips of equal length together, at most `framesPerPass` frames a group, in the order of their first clip. */
export function groupByFrames(arrays: readonly NdArray[], framesPerPass: number): Group[] {
  const groups: Group[] = [];
  const open = new Map<number, Group>();
  arrays.forEach((array, i) => {
    const frames = array.shape[1]!;
    let group = open.get(frames);
    if (!group || (group.rows.length + 1) * frames > framesPerPass) {
      group = { indices: [], rows: [] };
      open.set(frames, group);
      groups.push(group);
    }
    group.indices.push(i);
    group.rows.push(array);
  });
  return groups;
}

/** One pass: rows [bands, frames] each → [rows, D], or [rows, T, D] of frames. */
export async function forward(
  backbone: Backbone,
  rows: readonly NdArray[],
  output: 'clip' | 'frames',
): Promise<Float32Array> {
  const [bands, frames] = rows[0]!.shape as readonly [number, number];
  const batch = new Float32Array(rows.length * bands * frames);
  rows.forEach((row, i) => batch.set(row.data, i * bands * frames));
  const result = tf.tidy(() => {
    const features = backbone.forward(tf.tensor3d(batch, [rows.length, bands, frames]), { training: false });
    const tensor = features[output];
    if (!tensor) throw new ConfigError(`${backbone.id} has no ${output} output.`);
    return tensor;
  });
  const values = (await result.data()) as Float32Array;
  result.dispose();
  return values;
}

/** Whether the backbone gives the same frames when it sees a clip window by window. */
export const canWindow = (backbone: Backbone): boolean =>
  backbone.frameHalo !== undefined &&
  backbone.poolFrames !== undefined &&
  backbone.frameHalo % backbone.frameStride === 0;

/**
 * Frames [T, D] of one long clip, window by window: each sees `frameHalo` frames beyond its own on either side, so that what is
 * kept of it is what the whole clip gives. Only for `canWindow` backbones.
 */
export async function forwardWindows(backbone: Backbone, input: NdArray, framesPerPass: number): Promise<Float32Array> {
  const { frameStride: stride, frameHalo: halo = 0, frameWidth: width } = backbone;
  const [bands, frames] = input.shape as readonly [number, number];
  const total = Math.floor(frames / stride);
  const own = Math.max(stride, Math.floor((framesPerPass - 2 * halo) / stride) * stride);
  const out = new Float32Array(total * width);
  for (let first = 0; first < total * stride; first += own) {
    const isLast = first + own >= total * stride;
    const from = Math.max(0, first - halo);
    const to = isLast ? frames : Math.min(frames, first + own + halo);
    const values = await forward(backbone, [columns(input, bands, frames, from, to)], 'frames');
    const skip = (first - from) / stride;
    const count = Math.min(own / stride, total - first / stride);
    out.set(values.subarray(skip * width, (skip + count) * width), (first / stride) * width);
  }
  return out;
}

function columns({ data }: NdArray, bands: number, frames: number, from: number, to: number): NdArray {
  const part = new Float32Array(bands * (to - from));
  for (let f = 0; f < bands; f++) part.set(data.subarray(f * frames + from, f * frames + to), f * (to - from));
  return { data: part, shape: [bands, to - from] };
}

/** Whether a clip of so many frames is embedded in windows, each on its own. */
export const needsWindows = ({ windowFrames = Infinity }: Backbone, frames: number): boolean => frames > windowFrames;

/** Frames [T, D] of a clip in as few windows as hold it, of nearly equal length: none is much shorter than the others. */
export function forwardApart(backbone: Backbone, input: NdArray): Promise<Float32Array> {
  const { frameStride: stride, windowFrames = Infinity } = backbone;
  const steps = Math.floor(input.shape[1]! / stride);
  const windows = Math.ceil((steps * stride) / windowFrames);
  return forwardWindows(backbone, input, Math.ceil(steps / windows) * stride);
}

/** Clip vector [D] of frames [T, D]. */
export async function poolWindows(backbone: Backbone, frames: Float32Array): Promise<Float32Array> {
  const width = backbone.frameWidth;
  const pooled = tf.tidy(() => backbone.poolFrames!(tf.tensor3d(frames, [1, frames.length / width, width])));
  const values = (await pooled.data()) as Float32Array;
  pooled.dispose();
  return values;
}

/**
 * Bytes of activations a frame of input takes at the pass's peak, from a pass over 256 frames (a window of a network that has some); 1.3 times what the engine counts,
 * for the scratch memory of its kernels, which it does not. AudioNTT, ten minutes in one pass: 1.6 GB by this, and 1.2 GB (wasm)
 * and 1.6 GB (tensorflow) by the growth of the process.
 */
export async function bytesPerFrame(backbone: Backbone, bands: number): Promise<number> {
  const frames = backbone.windowFrames ?? Math.ceil(256 / backbone.frameStride) * backbone.frameStride;
  const before = tf.memory().numBytes;
  const profile = await tf.profile(() => {
    tf.tidy(() => {
      backbone.forward(tf.zeros([1, bands, frames]), { training: false });
    });
    return [];
  });
  return (1.3 * Math.max(0, profile.peakBytes - before)) / frames;
}
