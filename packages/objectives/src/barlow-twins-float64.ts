/**
 * Barlow Twins written out literally in float64, batch norm included: the second implementation that the engine's loss is tested
 * against, and what float64 references to 1e-9 are compared with.
 */
import type { BarlowTwinsOptions } from './barlow-twins.ts';

export interface BarlowTwinsFloat64 {
  readonly loss: number;
  readonly on: number;
  readonly off: number;
  /** [U, U] */
  readonly c: Float64Array;
  /** Gradients with respect to the projections before batch norm [B, U]. */
  readonly gradients: readonly [Float64Array, Float64Array];
  /** Mean and unbiased variance of each view [U]. */
  readonly moments: readonly { readonly mean: Float64Array; readonly variance: Float64Array }[];
}

/** z₁, z₂ [rows, width] row-major, before the affine-free batch norm. */
export function barlowTwinsFloat64(
  views: readonly [Float64Array, Float64Array],
  shape: { readonly rows: number; readonly width: number; readonly eps?: number },
  options: BarlowTwinsOptions,
): BarlowTwinsFloat64 {
  const { rows, width, eps = 1e-5 } = shape;
  const { lambdaOn, lambdaOff, scale = 1 } = options;
  const normal = views.map((z) => normalize(z, rows, width, eps));
  const [n1, n2] = [normal[0]!.n, normal[1]!.n];
  const c = new Float64Array(width * width);
  const dc = new Float64Array(width * width);
  let on = 0;
  let off = 0;
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      let sum = 0;
      for (let b = 0; b < rows; b++) sum += n1[b * width + i]! * n2[b * width + j]!;
      const value = (c[i * width + j] = sum / rows);
      if (i === j) on += (value - 1) ** 2;
      else off += value ** 2;
      dc[i * width + j] = 2 * scale * (i === j ? lambdaOn * (value - 1) : lambdaOff * value);
    }
  }
  const gradient = (side: 0 | 1): Float64Array => {
    const dn = new Float64Array(rows * width);
    for (let b = 0; b < rows; b++) {
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let j = 0; j < width; j++) {
          sum += side === 0 ? n2[b * width + j]! * dc[i * width + j]! : n1[b * width + j]! * dc[j * width + i]!;
        }
        dn[b * width + i] = sum / rows;
      }
    }
    return backward(dn, normal[side]!, rows, width);
  };
  const moments = normal.map(({ mean, biased }) => ({ mean, variance: biased.map((v) => (v * rows) / (rows - 1)) }));
  return {
    loss: scale * (lambdaOn * on + lambdaOff * off),
    on,
    off,
    c,
    gradients: [gradient(0), gradient(1)],
    moments,
  };
}

interface Normalized {
  readonly n: Float64Array;
  readonly mean: Float64Array;
  readonly biased: Float64Array;
  readonly inverse: Float64Array;
}

function normalize(z: Float64Array, rows: number, width: number, eps: number): Normalized {
  const mean = new Float64Array(width);
  const biased = new Float64Array(width);
  z.forEach((value, i) => (mean[i % width]! += value / rows));
  z.forEach((value, i) => (biased[i % width]! += (value - mean[i % width]!) ** 2 / rows));
  const inverse = biased.map((v) => 1 / Math.sqrt(v + eps));
  return { n: z.map((value, i) => (value - mean[i % width]!) * inverse[i % width]!), mean, biased, inverse };
}

function backward(dn: Float64Array, { n, inverse }: Normalized, rows: number, width: number): Float64Array {
  const sum = new Float64Array(width);
  const product = new Float64Array(width);
  dn.forEach((d, i) => {
    sum[i % width]! += d / rows;
    product[i % width]! += (d * n[i]!) / rows;
  });
  return dn.map((d, i) => inverse[i % width]! * (d - sum[i % width]! - n[i]! * product[i % width]!));
}
