/**
 * Optimisers as chains of transforms of a gradient. A transform takes the update so far, the parameter and its own slots (state
 * arrays shaped like the parameter), and returns the next update and slots. The last update is added to the parameter.
 */
import type { Arithmetic } from './arithmetic.ts';

export interface TransformContext {
  /** Learning rate of this step. */
  readonly lr: number;
  /** Number of this step, from 1. */
  readonly step: number;
  /** Whether this parameter is decayed (and, by LARS, adapted). */
  readonly isDecayed: boolean;
  /** Weight decay of this step, in place of the rule's own. */
  readonly weightDecay?: number | undefined;
}

export interface Updated<T> {
  readonly update: T;
  readonly slots: readonly T[];
}

export interface Transform {
  /** Names of its state arrays, as they stand in a checkpoint. */
  readonly slots: readonly string[];
  apply<T>(a: Arithmetic<T>, update: T, param: T, slots: readonly T[], context: TransformContext): Updated<T>;
}

const stateless = (apply: <T>(a: Arithmetic<T>, update: T, param: T, context: TransformContext) => T): Transform => ({
  slots: [],
  apply: (a, update, param, _slots, context) => ({ update: apply(a, update, param, context), slots: [] }),
});

/** u + λ·w, for decayed parameters. Before momentum: L2 as in torch's SGD. After Adam: decoupled, as in AdamW. */
export const addDecay = (decay: number): Transform =>
  stateless((a, u, w, { isDecayed, weightDecay = decay }) =>
    isDecayed && weightDecay !== 0 ? a.mulAdd(w, weightDecay, u) : u,
  );

/** v ← μ·v + u; u ← v, or u + μ·v with Nesterov. torch's SGD without dampening. */
export const momentumBy = (momentum: number, isNesterov = false): Transform => ({
  slots: ['momentum'],
  apply: (a, u, _w, [held], _context) => {
    const v = a.mulAdd(held!, momentum, u);
    return { update: isNesterov ? a.mulAdd(v, momentum, u) : v, slots: [v] };
  },
});

/** u·lr·sign, and times `vectorRate` for parameters that are not decayed. */
export const scaleByRate = (sign: 1 | -1, vectorRate = 1): Transform =>
  stateless((a, u, _w, { lr, isDecayed }) => a.scale(u, sign * lr * (isDecayed ? 1 : vectorRate)));
export const negate: Transform = stateless((a, u) => a.scale(u, -1));

/** LARS: u·η·‖w‖/‖u‖ for decayed parameters; 1 where either norm is 0 (You et al., arXiv 1708.03888). */
export const trustRatio = (trustCoefficient: number): Transform =>
  stateless((a, u, w, { isDecayed }) => {
    if (!isDecayed) return u;
    return a.scaleBy(u, a.ratio(a.norm(w), a.norm(u), { c: trustCoefficient, d: 0, e: 0, otherwise: 1 }));
  });

/**
 * apex's LARC without clipping: (u + λ·w)·η·‖w‖/(‖u‖ + λ·‖w‖ + eps). A parameter or gradient of norm 0 is left alone, decay
 * included.
 */
export const larcRatio = (trustCoefficient: number, decay: number, eps: number): Transform =>
  stateless((a, u, w, { isDecayed, weightDecay = decay }) => {
    if (!isDecayed) return u;
    const [p, g] = [a.norm(w), a.norm(u)];
    const ratio = a.ratio(p, g, { c: trustCoefficient, d: weightDecay, e: eps, otherwise: 0 });
    return a.select(ratio, a.scaleBy(a.mulAdd(w, weightDecay, u), ratio), u);
  });

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly isAmsgrad: boolean;
}

/** m̂/(√v̂ + eps) with bias corrections outside the root as torch places them (Kingma and Ba, arXiv 1412.6980). */
export const adamMoments = ({ beta1, beta2, eps, isAmsgrad }: AdamOptions): Transform => ({
  slots: isAmsgrad ? ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'] : ['exp_avg', 'exp_avg_sq'],
  apply: (a, u, _w, [mean, square, largest], { step }) => {
    const m = a.mulAdd(mean!, beta1, a.scale(u, 1 - beta1));
    const v = a.mulAdd(square!, beta2, a.scale(a.square(u), 1 - beta2));
    const top = isAmsgrad ? a.maximum(largest!, v) : v;
    const correction1 = 1 - beta1 ** step;
    const correction2 = 1 - beta2 ** step;
    // m̂/(√v̂ + eps) with both corrections in the denominator: one pass fewer
    const update = a.divideByRoot(m, top, correction1 / Math.sqrt(correction2), correction1 * eps);
    return { update, slots: isAmsgrad ? [m, v, top] : [m, v] };
  },
});

/** The transforms one after the other; slots are concatenated and must have different names. */
export function chain(...transforms: readonly Transform[]): Transform {
  return {
    slots: transforms.flatMap((transform) => transform.slots),
    apply: (a, update, param, slots, context) => {
      let current = update;
      const next = [];
      let at = 0;
      for (const transform of transforms) {
        const mine = slots.slice(at, (at += transform.slots.length));
        const result = transform.apply(a, current, param, mine, context);
        current = result.update;
        next.push(...result.slots);
      }
      return { update: current, slots: next };
    },
  };
}
