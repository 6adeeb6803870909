/** Batch normalisation in double precision, written as the formulas stand: what the kernels are tested against. */

export interface NormOptions {
  readonly groups: number;
  readonly relu: boolean;
  /** 2×2 max pool behind it. */
  readonly pool: boolean;
}

const EPSILON = 1e-5;

/**
 * y, mean, variance, dx, dGamma, dBeta for inputs x […, C], gamma, beta [C] and dy drawn by `weights(shape of y)`.
 * @param shape of x
 */
export function exactNorm(
  [x, gamma, beta]: readonly [Float32Array, Float32Array, Float32Array],
  shape: readonly number[],
  { groups, relu, pool }: NormOptions,
  dyOf: (shape: number[]) => Float32Array,
): Float64Array[] {
  const C = shape.at(-1)!;
  const rows = x.length / C;
  const n = rows / groups;
  const [mean, variance] = [new Float64Array(groups * C), new Float64Array(groups * C)];
  const at = (row: number, c: number): number => Math.floor(row / n) * C + c;
  x.forEach((value, i) => (mean[at(Math.floor(i / C), i % C)]! += value / n));
  x.forEach(
    (value, i) => (variance[at(Math.floor(i / C), i % C)]! += (value - mean[at(Math.floor(i / C), i % C)]!) ** 2 / n),
  );
  const normal = Float64Array.from(x, (value, i) => {
    const j = at(Math.floor(i / C), i % C);
    return (value - mean[j]!) / Math.sqrt(variance[j]! + EPSILON);
  });
  const z = normal.map((value, i) => value * gamma[i % C]! + beta[i % C]!);

  // Where each output number comes from.
  const source: number[] = [];
  if (pool) {
    const [images, H, W] = shape as [number, number, number];
    for (let image = 0; image < images; image++) {
      for (let r = 0; r + 1 < H; r += 2) {
        for (let w = 0; w + 1 < W; w += 2) {
          for (let c = 0; c < C; c++) {
            const window = [0, C, W * C, W * C + C].map((offset) => ((image * H + r) * W + w) * C + c + offset);
            source.push(window.reduce((best, i) => (z[i]! > z[best]! ? i : best)));
          }
        }
      }
    }
  } else {
    z.forEach((_, i) => source.push(i));
  }
  const y = Float64Array.from(source, (i) => (relu ? Math.max(z[i]!, 0) : z[i]!));
  const [images, H, W] = shape as [number, number, number];
  const dy = dyOf(pool ? [images, H >> 1, W >> 1, C] : [...shape]);

  const dz = new Float64Array(x.length);
  source.forEach((i, o) => {
    if (!relu || z[i]! > 0) dz[i] = dy[o]!;
  });
  const [dGamma, dBeta] = [new Float64Array(C), new Float64Array(C)];
  const [sum, product] = [new Float64Array(groups * C), new Float64Array(groups * C)];
  dz.forEach((g, i) => {
    dBeta[i % C]! += g;
    dGamma[i % C]! += g * normal[i]!;
    sum[at(Math.floor(i / C), i % C)]! += g / n;
    product[at(Math.floor(i / C), i % C)]! += (g * normal[i]!) / n;
  });
  const dx = dz.map((g, i) => {
    const j = at(Math.floor(i / C), i % C);
    return (gamma[i % C]! / Math.sqrt(variance[j]! + EPSILON)) * (g - sum[j]! - normal[i]! * product[j]!);
  });
  return [y, mean, variance, dx, dGamma, dBeta];
}
