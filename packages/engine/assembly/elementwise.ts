/** Passes over flat arrays. A chunk is 2¹⁶ numbers. */
import { fma } from './micro';
import { param } from './parameters';

const CHUNK: usize = 1 << 18;

/**
 * Stochastic gradient descent with momentum: parameters 0 param · 1 grad · 2 velocity · 3 rates (lr, momentum, weight decay) ·
 * 4 new param · 5 new velocity · 6 numbers · 7 Nesterov.
 */
export function sgdMomentum(d: usize, chunk: i32): void {
  const start = <usize>chunk * CHUNK;
  const end = min(start + CHUNK, (<usize>param(d, 6)) << 2);
  const p = <usize>param(d, 0);
  const g = <usize>param(d, 1);
  const v = <usize>param(d, 2);
  const rates = <usize>param(d, 3);
  const toP = <usize>param(d, 4);
  const toV = <usize>param(d, 5);
  const isNesterov = param(d, 7) != 0;
  const rate = v128.load32_splat(rates);
  const momentum = v128.load32_splat(rates, 4);
  const decay = v128.load32_splat(rates, 8);
  let i = start;
  for (; i + 16 <= end; i += 16) {
    const was = v128.load(p + i);
    const grad = fma(decay, was, v128.load(g + i));
    const velocity = fma(momentum, v128.load(v + i), grad);
    v128.store(toV + i, velocity);
    const move = isNesterov ? fma(momentum, velocity, grad) : velocity;
    v128.store(toP + i, f32x4.sub(was, f32x4.mul(rate, move)));
  }
  for (; i < end; i += 4) {
    const was = v128.load32_zero(p + i);
    const grad = fma(decay, was, v128.load32_zero(g + i));
    const velocity = fma(momentum, v128.load32_zero(v + i), grad);
    v128.store32_lane(toV + i, velocity, 0);
    const move = isNesterov ? fma(momentum, velocity, grad) : velocity;
    v128.store32_lane(toP + i, f32x4.sub(was, f32x4.mul(rate, move)), 0);
  }
}

/** m, v and p after an update of AdamW; `r` holds rate, β₁, 1 − β₁, β₂, 1 − β₂, ε, 1/√(1 − β₂ᵗ), lr·λ. */
function adamFirst(r: usize, m: v128, g: v128): v128 {
  return fma(v128.load32_splat(r, 4), m, f32x4.mul(v128.load32_splat(r, 8), g));
}

function adamSecond(r: usize, v: v128, g: v128): v128 {
  return fma(v128.load32_splat(r, 12), v, f32x4.mul(v128.load32_splat(r, 16), f32x4.mul(g, g)));
}

function adamParam(r: usize, p: v128, m: v128, v: v128): v128 {
  const root = fma(f32x4.sqrt(v), v128.load32_splat(r, 24), v128.load32_splat(r, 20));
  const move = f32x4.div(f32x4.mul(m, v128.load32_splat(r)), root);
  return f32x4.sub(f32x4.sub(p, f32x4.mul(p, v128.load32_splat(r, 28))), move);
}

/** AdamW: parameters 0 param · 1 grad · 2 first · 3 second · 4 rates [8] · 5, 6, 7 their successors · 8 numbers. */
export function adamW(d: usize, chunk: i32): void {
  const start = <usize>chunk * CHUNK;
  const end = min(start + CHUNK, (<usize>param(d, 8)) << 2);
  const p = <usize>param(d, 0);
  const g = <usize>param(d, 1);
  const first = <usize>param(d, 2);
  const second = <usize>param(d, 3);
  const r = <usize>param(d, 4);
  const toP = <usize>param(d, 5);
  const toFirst = <usize>param(d, 6);
  const toSecond = <usize>param(d, 7);
  let i = start;
  for (; i + 16 <= end; i += 16) {
    const grad = v128.load(g + i);
    const m = adamFirst(r, v128.load(first + i), grad);
    const v = adamSecond(r, v128.load(second + i), grad);
    v128.store(toFirst + i, m);
    v128.store(toSecond + i, v);
    v128.store(toP + i, adamParam(r, v128.load(p + i), m, v));
  }
  for (; i < end; i += 4) {
    const grad = v128.load32_zero(g + i);
    const m = adamFirst(r, v128.load32_zero(first + i), grad);
    const v = adamSecond(r, v128.load32_zero(second + i), grad);
    v128.store32_lane(toFirst + i, m, 0);
    v128.store32_lane(toSecond + i, v, 0);
    v128.store32_lane(toP + i, adamParam(r, v128.load32_zero(p + i), m, v), 0);
  }
}

/** MurmurHash3's 32-bit finaliser. */
function fmix(x: v128): v128 {
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x85ebca6b));
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 13)), i32x4.splat(0xc2b2ae35));
  return v128.xor(x, i32x4.shr_u(x, 16));
}

/**
 * y = hash(i) ≥ limit ? x·factor : 0, hash(i) = fmix(fmix(seed) + i·0x9e3779b9): parameters 0 x · 1 y · 2 seed and limit, both
 * unsigned · 3 factor · 4 numbers.
 */
export function seededDropout(d: usize, chunk: i32): void {
  const start = <usize>chunk * CHUNK;
  const end = min(start + CHUNK, (<usize>param(d, 4)) << 2);
  const x = <usize>param(d, 0);
  const y = <usize>param(d, 1);
  const base = fmix(v128.load32_splat(<usize>param(d, 2)));
  const limit = v128.load32_splat(<usize>param(d, 2), 4);
  const factor = v128.load32_splat(d, 12);
  const golden = i32x4.splat(0x9e3779b9);
  const first = i32x4.add(i32x4.splat(<i32>(start >> 2)), i32x4(0, 1, 2, 3));
  let at = i32x4.add(base, i32x4.mul(first, golden));
  const step = i32x4.shl(golden, 2);
  for (let i = start; i < end; i += 16) {
    const keep = i32x4.ge_u(fmix(at), limit);
    at = i32x4.add(at, step);
    if (i + 16 <= end) {
      v128.store(y + i, v128.and(f32x4.mul(v128.load(x + i), factor), keep));
      continue;
    }
    for (let l: usize = 0; i + l < end; l += 4) {
      const isKept = (i32x4.bitmask(keep) >> ((<i32>l) >> 2)) & 1;
      store<f32>(y + i + l, isKept ? load<f32>(x + i + l) * f32x4.extract_lane(factor, 0) : 0);
    }
  }
}

/** dx = y > 0 ? dy : 0: parameters 0 dy · 1 y · 2 dx · 3 numbers. */
export function reluGrad(d: usize, chunk: i32): void {
  const start = <usize>chunk * CHUNK;
  const end = min(start + CHUNK, (<usize>param(d, 3)) << 2);
  const dy = <usize>param(d, 0);
  const y = <usize>param(d, 1);
  const dx = <usize>param(d, 2);
  const zero = f32x4.splat(0);
  let i = start;
  for (; i + 32 <= end; i += 32) {
    v128.store(dx + i, v128.and(v128.load(dy + i), f32x4.gt(v128.load(y + i), zero)));
    v128.store(dx + i, v128.and(v128.load(dy + i, 16), f32x4.gt(v128.load(y + i, 16), zero)), 16);
  }
  for (; i < end; i += 4) store<f32>(dx + i, load<f32>(y + i) > 0 ? load<f32>(dy + i) : 0);
}
