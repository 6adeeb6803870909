/**
 * Softmax and sigmoid cross entropy along a line, class-major. Legend: K classes, n clips; arrays are K rows of `stride` ≥ n.
 */

export type PredictionType = 'multiclass' | 'multilabel';

export interface Targets {
  readonly predictionType: PredictionType;
  readonly n: number;
  readonly classes: number;
  readonly stride: number;
  /** 1 where a clip has the class [K, stride]. */
  readonly isPositive: Uint8Array;
}

/** Mean loss over clips (a multilabel clip's is the sum over its classes), and its first two derivatives along the line. */
export interface LineLoss {
  readonly loss: number;
  readonly slope: number;
  readonly curvature: number;
}

/** The loss at logits f + t·d. `residual` [K, stride] gets (P − Y)/n, the gradient by the logits. */
export function lossAlong(
  targets: Targets,
  f: Float64Array,
  d: Float64Array,
  t: number,
  residual: Float64Array,
): LineLoss {
  return targets.predictionType === 'multiclass'
    ? softmaxAlong(targets, f, d, t, residual)
    : sigmoidAlong(targets, f, d, t, residual);
}

function softmaxAlong(
  { n, classes, stride, isPositive }: Targets,
  f: Float64Array,
  d: Float64Array,
  t: number,
  residual: Float64Array,
): LineLoss {
  const top = new Float64Array(n).fill(-Infinity);
  const sum = new Float64Array(n);
  const first = new Float64Array(n); // Σ_k p d
  const second = new Float64Array(n); // Σ_k p d²
  for (let at = 0; at < classes * stride; at += stride) {
    for (let i = 0; i < n; i++) {
      const logit = f[at + i]! + t * d[at + i]!;
      residual[at + i] = logit;
      if (logit > top[i]!) top[i] = logit;
    }
  }
  let loss = 0;
  let slope = 0;
  for (let at = 0; at < classes * stride; at += stride) {
    for (let i = 0; i < n; i++) {
      const shifted = residual[at + i]! - top[i]!;
      if (isPositive[at + i] === 1) {
        loss -= shifted;
        slope -= d[at + i]!;
      }
      const e = Math.exp(shifted);
      const ed = e * d[at + i]!;
      residual[at + i] = e;
      sum[i]! += e;
      first[i]! += ed;
      second[i]! += ed * d[at + i]!;
    }
  }
  let curvature = 0;
  for (let i = 0; i < n; i++) {
    const total = sum[i]!;
    const mean = first[i]! / total;
    loss += Math.log(total);
    slope += mean;
    curvature += second[i]! / total - mean * mean;
    sum[i] = 1 / (n * total);
  }
  for (let at = 0; at < classes * stride; at += stride) {
    for (let i = 0; i < n; i++) residual[at + i] = residual[at + i]! * sum[i]! - isPositive[at + i]! / n;
  }
  return { loss: loss / n, slope: slope / n, curvature: Math.max(curvature / n, 0) };
}

function sigmoidAlong(
  { n, classes, stride, isPositive }: Targets,
  f: Float64Array,
  d: Float64Array,
  t: number,
  residual: Float64Array,
): LineLoss {
  let loss = 0;
  let slope = 0;
  let curvature = 0;
  for (let at = 0; at < classes * stride; at += stride) {
    for (let i = at; i < at + n; i++) {
      const logit = f[i]! + t * d[i]!;
      const e = Math.exp(-Math.abs(logit));
      const p = logit >= 0 ? 1 / (1 + e) : e / (1 + e);
      const error = p - isPositive[i]!;
      loss += Math.log1p(e) + Math.max(logit, 0) - isPositive[i]! * logit;
      slope += error * d[i]!;
      curvature += p * (1 - p) * d[i]! * d[i]!;
      residual[i] = error / n;
    }
  }
  return { loss: loss / n, slope: slope / n, curvature: curvature / n };
}

/** Mean weight of a logit in the Hessian: p(1 − p), for softmax in the space where logits sum to zero. */
export function meanWeight(
  { predictionType, n, classes, stride, isPositive }: Targets,
  residual: Float64Array,
): number {
  let sum = 0;
  for (let at = 0; at < classes * stride; at += stride) {
    for (let i = at; i < at + n; i++) {
      const p = residual[i]! * n + isPositive[i]!;
      sum += p * (1 - p);
    }
  }
  const perClip = sum / n / (predictionType === 'multiclass' ? Math.max(classes - 1, 1) : classes);
  return Math.max(perClip, 1e-4);
}
