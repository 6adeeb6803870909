/** Taps of cubic interpolation with aligned corners, as torch's bicubic takes them along one axis. */

/** PyTorch's and OpenCV's parameter of the kernel; Catmull–Rom would be −0.5. */
const A = -0.75;

const near = (x: number): number => ((A + 2) * x - (A + 3)) * x * x + 1; // |x| ≤ 1
const far = (x: number): number => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A; // 1 < |x| < 2

/** Four taps for each of `to` outputs over `from` inputs: indices clamped to 0 … from − 1, and weights; both [4·to]. */
export function cubicTaps(from: number, to: number): { readonly at: Int32Array; readonly weights: Float64Array } {
  const at = new Int32Array(4 * to);
  const weights = new Float64Array(4 * to);
  const step = to > 1 ? Math.fround((from - 1) / (to - 1)) : 0; // torch places the taps in float32
  for (let k = 0; k < to; k++) {
    const position = Math.fround(k * step);
    const base = Math.floor(position);
    const u = position - base;
    for (let tap = 0; tap < 4; tap++) at[4 * k + tap] = Math.max(0, Math.min(from - 1, base - 1 + tap));
    weights.set([far(1 + u), near(u), near(1 - u), far(2 - u)], 4 * k);
  }
  return { at, weights };
}
