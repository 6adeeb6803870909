/** Images as the detection probe takes them, and what a network says of them: each computed once while memory lasts. */
import type { Backbone, Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { levelMaps, mapNames, planLevels, type LevelPlan } from './maps.ts';

/** An image in the network's input: at the upper left of a square, zeros to its right and below. */
export interface PreparedImage {
  /** Normalised [S, S, 3]. */
  readonly data: Float32Array;
  /** Pixels of the image in the square. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the square a pixel of the file. */
  readonly scaleX: number;
  readonly scaleY: number;
}

export interface DetectionImage {
  /** For messages. */
  readonly file: string;
  load(): Promise<PreparedImage>;
}

/** An image mirrored left to right in its place. */
export function mirrored({ data, width, ...rest }: PreparedImage): PreparedImage {
  const out = data.slice();
  const side = Math.sqrt(data.length / 3);
  for (let y = 0; y < rest.height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, to] = [3 * (y * side + x), 3 * (y * side + width - 1 - x)];
      for (let c = 0; c < 3; c++) out[to + c] = data[from + c]!;
    }
  }
  return { data: out, width, ...rest };
}

/** Values by key, made when they are not held; none is dropped, those beyond `bytes` are not held. */
export function boundedCache<T>(bytes: number, sizeOf: (value: T) => number) {
  const held = new Map<string, T>();
  let left = bytes;
  return async (key: string, make: () => Promise<T>): Promise<T> => {
    const found = held.get(key);
    if (found !== undefined) return found;
    const value = await make();
    const size = sizeOf(value);
    if (size <= left) {
      held.set(key, value);
      left -= size;
    }
    return value;
  };
}

/** A network whose maps are the levels of a pyramid. */
export interface LevelSource {
  /** Channels of each level. */
  readonly widths: readonly number[];
  /** x [B, S, S, 3] → [B, S/s, S/s, C] of each level. Call inside `tf.tidy`. */
  forward(x: Tensor): Tensor[];
  /** Of one image, as arrays. */
  read(image: PreparedImage): Promise<Float32Array[]>;
}

/** @throws ConfigError naming the model when its maps cannot be levels */
export function levelSource(
  id: string,
  backbone: Backbone,
  { imageSize, strides }: { readonly imageSize: number; readonly strides: readonly number[] },
): LevelSource {
  const names = mapNames(backbone);
  const shapes = new Map<string, readonly number[]>();
  tf.tidy(() => {
    const { maps = {} } = backbone.forward(tf.zeros([1, imageSize, imageSize, 3]), { training: false, maps: names });
    for (const name of names) if (maps[name]) shapes.set(name, maps[name].shape);
  });
  const plan: LevelPlan[] = planLevels(id, shapes, imageSize, strides);
  const wanted = [...new Set(plan.map(({ map }) => map))];
  const forward = (x: Tensor): Tensor[] =>
    levelMaps(backbone.forward(x, { training: false, maps: wanted }).maps!, plan);
  return {
    widths: plan.map(({ map }) => shapes.get(map)![3]!),
    forward,
    async read({ data }) {
      const levels = tf.tidy(() => forward(tf.tensor(data, [1, imageSize, imageSize, 3])));
      const arrays = await Promise.all(levels.map((level) => level.data() as Promise<Float32Array>));
      tf.dispose(levels);
      return arrays;
    },
  };
}
