/** Positions: fixed sinusoids, and learned grids stretched to other sizes. */
import type { Tensor } from '@unlabel/core';
import { ConfigError } from '@unlabel/core';
import { tf } from '@unlabel/engine';

/** sin and cos of arXiv 1706.03762v7 §3.5, interleaved (sin at even, cos at odd columns). → [N, D] row-major */
export function sinusoids(count: number, width: number): Float32Array {
  if (width % 2 !== 0) throw new ConfigError(`sinusoids: width ${width} is odd`);
  const table = new Float32Array(count * width);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < width; i += 2) {
      const angle = n / 10000 ** (i / width);
      table[n * width + i] = Math.sin(angle);
      table[n * width + i + 1] = Math.cos(angle);
    }
  }
  return table;
}

/**
 * Weights of torch's bicubic interpolation (a = −0.75, half-pixel centers, edges repeated) from `from` to `to` samples, each output
 * step being 1/scale input steps; scale is to/from unless stated. → [to, from] row-major
 */
export function bicubicWeights(from: number, to: number, scale = to / from): Float64Array {
  const weights = new Float64Array(to * from);
  for (let row = 0; row < to; row++) {
    const center = (row + 0.5) / scale - 0.5;
    const left = Math.floor(center);
    for (let tap = -1; tap <= 2; tap++) {
      const source = Math.min(Math.max(left + tap, 0), from - 1);
      weights[row * from + source]! += cubic(Math.abs(center - left - tap));
    }
  }
  return weights;
}

/** Keys' cubic convolution kernel, a = −0.75 (torch, OpenCV; Pillow has −0.5). */
function cubic(t: number): number {
  const a = -0.75;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((t - 5) * t + 8) * t * a - 4 * a;
  return 0;
}

export interface GridSize {
  readonly height: number;
  readonly width: number;
}

/**
 * A learned grid [1, h·w, D] stretched to another size; differentiable. `offset` is added to the size when the scale is computed, as DINO
 * does (0.1, against a rounding problem in torch), which shifts samples by up to a tenth of a step.
 */
export function stretchGrid(grid: Tensor, from: GridSize, to: GridSize, offset = 0): Tensor {
  if (from.height === to.height && from.width === to.width) return grid;
  const depth = grid.shape.at(-1)!;
  const rows = bicubicWeights(from.height, to.height, (to.height + offset) / from.height);
  const columns = bicubicWeights(from.width, to.width, (to.width + offset) / from.width);
  const image = tf.reshape(grid, [from.height, from.width * depth]);
  const tall = tf.matMul(
    tf.tensor2d(Float32Array.from(rows), [to.height, from.height]),
    image as ReturnType<typeof tf.tensor2d>,
  );
  const bars = tf.reshape(tall, [to.height, from.width, depth]);
  const across = tf.tensor3d(Float32Array.from(columns), [1, to.width, from.width]);
  const both = tf.matMul(tf.tile(across, [to.height, 1, 1]), bars); // [h′, w′, D]
  return tf.reshape(both, [1, to.height * to.width, depth]);
}
