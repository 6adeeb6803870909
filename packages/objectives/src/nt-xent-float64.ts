/**
 * NT-Xent written out literally in float64: the second implementation that the engine's loss is tested against, and what float64
 * references to 1e-9 are compared with.
 */
import type { NtXentOptions } from './nt-xent.ts';

export interface NtXentFloat64 {
  readonly loss: number;
  /** Gradients with respect to z₁ and z₂ [B, D]. */
  readonly gradients: readonly [Float64Array, Float64Array];
  /** Cosines over τ of the first views with the second [B, B]. */
  readonly between: Float64Array;
}

/** z₁, z₂ [rows, width] row-major, of any length. */
export function ntXentFloat64(
  views: readonly [Float64Array, Float64Array],
  { rows, width }: { readonly rows: number; readonly width: number },
  { temperature, scale = 1 }: NtXentOptions,
): NtXentFloat64 {
  const n = 2 * rows;
  const z = Array.from({ length: n }, (_, i) =>
    views[i < rows ? 0 : 1].subarray((i % rows) * width, ((i % rows) + 1) * width),
  );
  const lengths = z.map((row) => Math.sqrt(row.reduce((sum, x) => sum + x * x, 0)));
  const unit = z.map((row, i) => row.map((x) => x / lengths[i]!));
  const cosine = (i: number, j: number): number => unit[i]!.reduce((sum, x, d) => sum + x * unit[j]![d]!, 0);
  const slope = unit.map(() => new Float64Array(width)); // ∂loss/∂unit
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const positive = (i + rows) % n;
    const similar = unit.map((_, k) => cosine(i, k) / temperature);
    const most = Math.max(...similar);
    const others = similar.map((s, k) => (k === i ? 0 : Math.exp(s - most)));
    const sum = others.reduce((x, y) => x + y, 0);
    loss += (scale * (Math.log(sum) + most - similar[positive]!)) / n;
    for (let k = 0; k < n; k++) {
      const weight = (scale * (others[k]! / sum - (k === positive ? 1 : 0))) / n / temperature;
      for (let d = 0; d < width; d++) {
        slope[i]![d]! += weight * unit[k]![d]!;
        slope[k]![d]! += weight * unit[i]![d]!;
      }
    }
  }
  const gradient = (from: number): Float64Array => {
    const out = new Float64Array(rows * width);
    for (let i = from; i < from + rows; i++) {
      const along = unit[i]!.reduce((sum, x, d) => sum + x * slope[i]![d]!, 0);
      for (let d = 0; d < width; d++) {
        out[(i - from) * width + d] = (slope[i]![d]! - unit[i]![d]! * along) / lengths[i]!;
      }
    }
    return out;
  };
  const between = Float64Array.from(
    { length: rows * rows },
    (_, at) => cosine(Math.floor(at / rows), rows + (at % rows)) / temperature,
  );
  return { loss, gradients: [gradient(0), gradient(rows)], between };
}
