/**
 * The maps that a network has, as the levels of the detection probe's pyramid. A level takes the deepest map of its stride; where
 * strides end earlier, means of the deepest map; where they begin later, the finest map with its places repeated.
 *
 * Legend: B images, S side of the input, H, W places, C channels.
 */
import { ConfigError, type Backbone, type Tensor } from '@unlabel/core';
import { asTensor4D, tf } from '@unlabel/engine';

/** Which map a level is made of, and by how much it is made smaller (above 1) or larger (below 1). */
export interface LevelPlan {
  readonly map: string;
  readonly shrink: number;
}

/** Maps to ask a network for, in order of depth. */
export const mapNames = ({ mapWidths }: Backbone): string[] =>
  mapWidths === undefined ? ['patches'] : Object.keys(mapWidths);

/**
 * @param id of the model, for messages
 * @param shapes of the network's maps [B, H, W, C] for inputs of side S, in order of depth
 * @throws ConfigError when there are none, or their strides do not fit
 */
export function planLevels(
  id: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  size: number,
  strides: readonly number[],
): LevelPlan[] {
  if (shapes.size === 0)
    throw new ConfigError(
      `${id}: gives no maps of an image, which a detector is made of; it can be evaluated by its embeddings.`,
    );
  const maps = [...shapes].map(([map, shape]) => ({ map, stride: size / shape[1]! })).reverse(); // the deepest first
  return strides.map((stride) => {
    const below = maps.filter((one) => one.stride <= stride);
    const wanted =
      below.length > 0 ? Math.max(...below.map((one) => one.stride)) : Math.min(...maps.map((one) => one.stride));
    const { map } = maps.find((one) => one.stride === wanted)!;
    const shrink = stride / wanted;
    if (!Number.isInteger(shrink) && !Number.isInteger(1 / shrink))
      throw new ConfigError(
        `${id}: its maps have strides ${maps.map((one) => one.stride).join(', ')}; expected 1, 2, 4, …`,
      );
    return { map, shrink };
  });
}

/** Maps [B, S/s, S/s, C] of each level's stride s. Call inside `tf.tidy`. */
export function levelMaps(maps: Readonly<Record<string, Tensor>>, plan: readonly LevelPlan[]): Tensor[] {
  return plan.map(({ map, shrink }) => {
    const x = maps[map]!;
    if (shrink === 1) return x;
    return shrink > 1 ? tf.avgPool(asTensor4D(x, 'detection'), shrink, shrink, 'valid') : repeatPlaces(x, 1 / shrink);
  });
}

/** Nearest neighbours, x [B, H, W, C] → [B, f·H, f·W, C]: by joining, which every engine can differentiate. */
export function repeatPlaces(x: Tensor, f: number): Tensor {
  const [b = 1, h = 1, w = 1, c = 1] = x.shape;
  const copies = (t: Tensor): Tensor[] => Array.from({ length: f }, () => t);
  const wide = tf.reshape(tf.concat(copies(x), 3), [b, h, 1, f * w * c]); // [B, H, 1, f·W·C]
  return tf.reshape(tf.concat(copies(wide), 2), [b, f * h, f * w, c]);
}
