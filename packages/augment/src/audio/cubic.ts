/** Taps of cubic interpolation with aligned corners, as torch's bicubic takes them along one axis. */

/** PyTorch's and OpenCV's parameter of the kernel; Catmull–Rom would be −0.5. */
const A = -0.75;

const near = (x: number): number => ((A + 2) * x - (A + 3)) * x * x + 1; // |x| ≤ 1
const far = (x: number): number => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A; // 1 < |x| < 2

/**
 * Cubic interpolation of `from` samples at `to` positions: output k is the sum of weights[4k + n] times sample
 * bases[k] − 1 + n, n in 0…3, with indices clamped to 0 … from − 1. bases lie in 0 … from − 1.
 */
export function cubicTaps(from: number, to: number): { readonly bases: Int32Array; readonly weights: Float64Array } {
  const bases = new Int32Array(to);
  const weights = new Float64Array(4 * to);
  const step = to > 1 ? Math.fround((from - 1) / (to - 1)) : 0; // torch places the taps in float32
  for (let k = 0; k < to; k++) {
    const position = Math.fround(k * step);
    const base = Math.min(from - 1, Math.floor(position));
    const u = position - base;
    bases[k] = base;
    weights[4 * k] = far(1 + u);
    weights[4 * k + 1] = near(u);
    weights[4 * k + 2] = near(1 - u);
    weights[4 * k + 3] = far(2 - u);
  }
  return { bases, weights };
}
