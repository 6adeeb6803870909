/**
 * Barlow Twins: decorrelate two views' projections.
 *
 * [0] Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML 2021,
 *     arXiv 2103.03230v3.
 * [1] facebookresearch/barlowtwins main.py@8e8d284c. There λ_on = 1, λ_off = 0.0051, scale 1.
 * [2] Ghosh, Seth, Umesh, "Decorrelating Feature Spaces for Learning General-Purpose Audio Representations" (DeLoRes), arXiv
 *     2203.13628v3; Sreyan88/LAPE src/upstream/delores_s@81ba8d9c. There one λ = 5e-5 multiplies both terms, scale 1/32.
 *
 * Legend: B rows, U projection width.
 */
import { ConfigError, type Scalar, type Tensor } from '@unlabel/core';
import { tf, withoutGradient } from '@unlabel/engine';

export interface BarlowTwinsOptions {
  /** Weight of Σ(c_ii − 1)². */
  readonly lambdaOn: number;
  /** Weight of Σ_{i≠j} c_ij². */
  readonly lambdaOff: number;
  /** Factor of both. Default 1. */
  readonly scale?: number;
}

export interface BarlowTwinsLoss {
  /** scale·(λ_on·on + λ_off·off) */
  readonly loss: Scalar;
  /** Σ(c_ii − 1)², constant to the gradient. */
  readonly on: Scalar;
  /** Σ_{i≠j} c_ij², constant to the gradient. */
  readonly off: Scalar;
}

/**
 * Loss on n₁, n₂ [B, U]: projections after an affine-free batch norm (whose buffers belong to the model), with
 * c = n₁ᵀ·n₂/B (Eq. 2 of [0]).
 *
 * c itself [U, U] is formed only when B ≥ U. Else Σc² = ⟨n₁n₁ᵀ, n₂n₂ᵀ⟩/B² from two Gram matrices [B, B], and the gradient
 * n₂·cᵀ = (n₂n₂ᵀ)·n₁/B likewise: the same sums at B/U of the work.
 */
export function barlowTwins(n1: Tensor, n2: Tensor, options: BarlowTwinsOptions): BarlowTwinsLoss {
  const { lambdaOn, lambdaOff, scale = 1 } = options;
  if (n1.rank !== 2 || n1.shape.join() !== n2.shape.join()) {
    throw new ConfigError(
      `barlowTwins: views are [${n1.shape.join(', ')}] and [${n2.shape.join(', ')}]; expected two equal [B, U]`,
    );
  }
  const rows = n1.shape[0]!;
  const { diagonal, on, off, left, right } = withoutGradient(() => correlate(n1, n2));
  const op = tf.customGrad((...args) => {
    const [a, b, save] = args as [Tensor, Tensor, (saved: Tensor[]) => void];
    const value = tf.mul(tf.add(tf.mul(on, lambdaOn), tf.mul(off, lambdaOff)), scale);
    save([a, b, diagonal, left, right]);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => {
      const [x, y, c, l, r] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
      // ∂/∂c = 2·scale·(λ_off·c + diag((λ_on − λ_off)·c_ii − λ_on)), and c = n₁ᵀ·n₂/B
      const factor = tf.mul(dy, (2 * scale) / rows);
      const slope = tf.sub(tf.mul(c, lambdaOn - lambdaOff), lambdaOn);
      const isGram = rows < c.size;
      const yc = isGram ? tf.matMul(r, x) : tf.matMul(y, l, false, true);
      const xc = isGram ? tf.matMul(l, y) : tf.matMul(x, l);
      const weight = isGram ? lambdaOff / rows : lambdaOff;
      const dx = tf.mul(tf.add(tf.mul(yc, weight), tf.mul(y, slope)), factor);
      return [dx, tf.mul(tf.add(tf.mul(xc, weight), tf.mul(x, slope)), factor)];
    };
    return { value, gradFunc };
  });
  return { loss: op(n1, n2) as Scalar, on, off };
}

/** Diagonal and sums of c, and what the gradient needs: the Gram matrices of both views when B < U, else c twice. */
function correlate(a: Tensor, b: Tensor) {
  const [rows, width] = a.shape as [number, number];
  const diagonal = tf.div(tf.sum(tf.mul(a, b), 0), rows); // c_ii [U]
  const on = tf.sum(tf.square(tf.sub(diagonal, 1))) as Scalar;
  const offOf = (squares: Tensor) => tf.sub(squares, tf.sum(tf.square(diagonal))) as Scalar;
  if (rows < width) {
    const left = tf.matMul(a, a, false, true); // [B, B]
    const right = tf.matMul(b, b, false, true);
    return { diagonal, on, off: offOf(tf.div(tf.sum(tf.mul(left, right)), rows * rows)), left, right };
  }
  const c = tf.div(tf.matMul(a, b, true, false), rows); // [U, U]
  return { diagonal, on, off: offOf(tf.sum(tf.square(c))), left: c, right: c };
}
