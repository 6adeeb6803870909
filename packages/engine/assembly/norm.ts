/**
 * Batch normalisation in training, forward and backward, over the rows of [groups · n, C]. Sums run in float32 within a block of
 * rows and in float64 across blocks, in an order that depends on the shape alone.
 *
 * Blocks: an operation's chunk is (group, block of rows, block of channels), channels running fastest.
 */
import { fma } from './micro';
import { floatParam, param } from './parameters';
import { scratch, touch } from './scratch';

/** Rows whose channels are worked on together, so that they stay in the first cache. */
const NEAR: i32 = 32;

/**
 * Mean and sum of squared deviations of a block: parameters 0 x · 1 partials [groups · blocks][2][C] · 2 n · 3 C · 4 blocks a
 * group · 5 rows a block · 6 blocks of channels · 7 channels a block (≤ 512). Deviations are taken from the mean of the block's
 * first rows, so that a large mean does not cancel (shifted data algorithm), and sums are started anew every few rows.
 */
export function moments(d: usize, chunk: i32): void {
  const n = param(d, 2);
  const C = param(d, 3);
  const across = param(d, 6);
  const block = chunk / across;
  const r0 = (block % param(d, 4)) * param(d, 5);
  const rows = min(param(d, 5), n - r0);
  const start: usize = (chunk % across) * param(d, 7) * 4;
  const step = (<usize>C) << 2;
  const end = min(start + <usize>param(d, 7) * 4, step);
  const x = <usize>param(d, 0) + (<usize>(block / param(d, 4)) * n + r0) * step;
  const sum = <usize>param(d, 1) + <usize>block * 2 * step;
  const square = sum + step;
  const shift = scratch - start;
  const near = min(NEAR, rows);
  const part = f32x4.splat(1 / <f32>near);
  let c = start;
  for (; c + 16 <= end; c += 16) {
    let s = v128.load(x + c);
    for (let r = 1; r < near; r++) s = f32x4.add(s, v128.load(x + <usize>r * step + c));
    v128.store(shift + c, f32x4.mul(s, part));
  }
  for (; c < end; c += 4) {
    let s: f32 = 0;
    for (let r = 0; r < near; r++) s += load<f32>(x + <usize>r * step + c);
    store<f32>(shift + c, s / <f32>near);
  }
  memory.fill(sum + start, 0, end - start);
  memory.fill(square + start, 0, end - start);
  const zero = f32x4.splat(0);
  for (let r = 0; r < rows; r += NEAR) {
    const last = x + <usize>min(r + NEAR, rows) * step;
    if (across == 1) touch(x + <usize>r * step, last - x - <usize>r * step);
    for (c = start; c + 32 <= end; c += 32) {
      const f0 = v128.load(shift + c);
      const f1 = v128.load(shift + c, 16);
      let s0 = zero;
      let s1 = zero;
      let q0 = zero;
      let q1 = zero;
      for (let at = x + <usize>r * step + c; at < last; at += step) {
        const e0 = f32x4.sub(v128.load(at), f0);
        const e1 = f32x4.sub(v128.load(at, 16), f1);
        s0 = f32x4.add(s0, e0);
        s1 = f32x4.add(s1, e1);
        q0 = fma(e0, e0, q0);
        q1 = fma(e1, e1, q1);
      }
      v128.store(sum + c, f32x4.add(v128.load(sum + c), s0));
      v128.store(sum + c, f32x4.add(v128.load(sum + c, 16), s1), 16);
      v128.store(square + c, f32x4.add(v128.load(square + c), q0));
      v128.store(square + c, f32x4.add(v128.load(square + c, 16), q1), 16);
    }
    for (; c < end; c += 4) {
      const f = load<f32>(shift + c);
      let s: f32 = 0;
      let q: f32 = 0;
      for (let at = x + <usize>r * step + c; at < last; at += step) {
        const e = load<f32>(at) - f;
        s += e;
        q += e * e;
      }
      store<f32>(sum + c, load<f32>(sum + c) + s);
      store<f32>(square + c, load<f32>(square + c) + q);
    }
  }
  for (c = start; c < end; c += 4) {
    const mean = <f64>load<f32>(sum + c) / <f64>rows;
    store<f32>(square + c, <f32>(<f64>load<f32>(square + c) - mean * mean * <f64>rows));
    store<f32>(sum + c, <f32>(<f64>load<f32>(shift + c) + mean));
  }
}

/**
 * Combine blocks (Chan, Golub and LeVeque 1979) and derive y = x·scale + shift: parameters 0 partials · 1 n · 2 C · 3 blocks ·
 * 4 rows a block · 5 gamma · 6 beta · 7 epsilon · 8 mean · 9 variance · 10 scale · 11 shift (8…11 are [groups, C]) · 12 blocks of
 * channels · 13 channels a block. A chunk is (group, block of channels).
 */
export function momentsCombine(d: usize, chunk: i32): void {
  const n = param(d, 1);
  const C = param(d, 2);
  const blocks = param(d, 3);
  const group = chunk / param(d, 12);
  const c0 = (chunk % param(d, 12)) * param(d, 13);
  const c1 = min(c0 + param(d, 13), C);
  const step = (<usize>C) << 2;
  for (let i = c0; i < c1; i++) {
    const c = (<usize>i) << 2;
    let from = <usize>param(d, 0) + <usize>group * blocks * 2 * step + c;
    let count: f64 = 0;
    let mean: f64 = 0;
    let squares: f64 = 0;
    for (let b = 0; b < blocks; b++, from += 2 * step) {
      const rows = <f64>min(param(d, 4), n - b * param(d, 4));
      const delta = <f64>load<f32>(from) - mean;
      const total = count + rows;
      mean += (delta * rows) / total;
      squares += <f64>load<f32>(from + step) + (delta * delta * count * rows) / total;
      count = total;
    }
    const variance = max(squares / <f64>n, 0);
    const at = <usize>group * step + c;
    const scale = <f64>load<f32>(<usize>param(d, 5) + c) / sqrt(variance + <f64>floatParam(d, 7));
    store<f32>(<usize>param(d, 8) + at, <f32>mean);
    store<f32>(<usize>param(d, 9) + at, <f32>variance);
    store<f32>(<usize>param(d, 10) + at, <f32>scale);
    store<f32>(<usize>param(d, 11) + at, <f32>(<f64>load<f32>(<usize>param(d, 6) + c) - mean * scale));
  }
}

/** scale and shift from given moments: parameters 0 gamma · 1 beta · 2 mean · 3 variance · 4 epsilon · 5 scale · 6 shift · 7 C · 8 groups. */
export function scaleAndShift(d: usize, _chunk: i32): void {
  const C = param(d, 7);
  for (let g = 0; g < param(d, 8); g++) {
    for (let i = 0; i < C; i++) {
      const c = (<usize>i) << 2;
      const at = (<usize>(g * C + i)) << 2;
      const mean = <f64>load<f32>(<usize>param(d, 2) + at);
      const variance = <f64>load<f32>(<usize>param(d, 3) + at);
      const scale = <f64>load<f32>(<usize>param(d, 0) + c) / sqrt(variance + <f64>floatParam(d, 4));
      store<f32>(<usize>param(d, 5) + at, <f32>scale);
      store<f32>(<usize>param(d, 6) + at, <f32>(<f64>load<f32>(<usize>param(d, 1) + c) - mean * scale));
    }
  }
}

/** y = max(x·scale + shift, floor): parameters 0 x · 1 y · 2 scale · 3 shift · 4 n · 5 C · 6 blocks a group · 7 rows a block · 8 floor. */
export function normalize(d: usize, chunk: i32): void {
  const C = param(d, 5);
  const group = chunk / param(d, 6);
  const r0 = (chunk % param(d, 6)) * param(d, 7);
  const rows = min(param(d, 7), param(d, 4) - r0);
  const step = (<usize>C) << 2;
  const first = (<usize>group * param(d, 4) + r0) * step;
  const scale = <usize>param(d, 2) + <usize>group * step;
  const shift = <usize>param(d, 3) + <usize>group * step;
  const floor = floatParam(d, 8);
  const low = f32x4.splat(floor);
  let x = <usize>param(d, 0) + first;
  let y = <usize>param(d, 1) + first;
  for (let r = 0; r < rows; r++, x += step, y += step) {
    let c: usize = 0;
    for (; c + 32 <= step; c += 32) {
      v128.store(y + c, f32x4.pmax(fma(v128.load(x + c), v128.load(scale + c), v128.load(shift + c)), low));
      v128.store(
        y + c,
        f32x4.pmax(fma(v128.load(x + c, 16), v128.load(scale + c, 16), v128.load(shift + c, 16)), low),
        16,
      );
    }
    for (; c < step; c += 4) {
      v128.store32_lane(y + c, f32x4.pmax(normalizeOne(x + c, scale + c, shift + c), low), 0);
    }
  }
}

/** x·scale + shift with the vector arithmetic, so that tails round like the rest. */
export function normalizeOne(x: usize, scale: usize, shift: usize): v128 {
  return fma(v128.load32_zero(x), v128.load32_zero(scale), v128.load32_zero(shift));
}

/**
 * Per block: Σ dy' and Σ dy'·(x − mean) where dy' is dy behind the ReLU: parameters 0 x · 1 dy · 2 scale · 3 shift · 4 mean ·
 * 5 partials [groups · blocks][2][C] · 6 n · 7 C · 8 blocks · 9 rows a block · 10 ReLU · 11 blocks of channels · 12 channels a block.
 */
export function normGradSums(d: usize, chunk: i32): void {
  const n = param(d, 6);
  const C = param(d, 7);
  const across = param(d, 11);
  const block = chunk / across;
  const group = block / param(d, 8);
  const r0 = (block % param(d, 8)) * param(d, 9);
  const rows = min(param(d, 9), n - r0);
  const step = (<usize>C) << 2;
  const start: usize = (chunk % across) * param(d, 12) * 4;
  const end = min(start + <usize>param(d, 12) * 4, step);
  const isRelu = param(d, 10) != 0;
  const first = (<usize>group * n + r0) * step;
  const x = <usize>param(d, 0) + first;
  const dyOffset = <usize>param(d, 1) - <usize>param(d, 0);
  const sum = <usize>param(d, 5) + <usize>block * 2 * step;
  const product = sum + step;
  const ofGroup = <usize>group * step;
  const always = isRelu ? i32x4.splat(0) : i32x4.splat(-1);
  const zero = f32x4.splat(0);
  memory.fill(sum + start, 0, end - start);
  memory.fill(product + start, 0, end - start);
  for (let r = 0; r < rows; r += NEAR) {
    const last = x + <usize>min(r + NEAR, rows) * step;
    if (across == 1) {
      touch(x + <usize>r * step, last - x - <usize>r * step);
      touch(x + <usize>r * step + dyOffset, last - x - <usize>r * step);
    }
    let c = start;
    for (; c + 32 <= end; c += 32) {
      const k0 = v128.load(<usize>param(d, 2) + ofGroup + c);
      const k1 = v128.load(<usize>param(d, 2) + ofGroup + c, 16);
      const t0 = v128.load(<usize>param(d, 3) + ofGroup + c);
      const t1 = v128.load(<usize>param(d, 3) + ofGroup + c, 16);
      const m0 = v128.load(<usize>param(d, 4) + ofGroup + c);
      const m1 = v128.load(<usize>param(d, 4) + ofGroup + c, 16);
      let s0 = zero;
      let s1 = zero;
      let p0 = zero;
      let p1 = zero;
      for (let at = x + <usize>r * step + c; at < last; at += step) {
        const x0 = v128.load(at);
        const x1 = v128.load(at, 16);
        const g0 = v128.and(v128.load(at + dyOffset), v128.or(f32x4.gt(fma(x0, k0, t0), zero), always));
        const g1 = v128.and(v128.load(at + dyOffset, 16), v128.or(f32x4.gt(fma(x1, k1, t1), zero), always));
        s0 = f32x4.add(s0, g0);
        s1 = f32x4.add(s1, g1);
        p0 = fma(g0, f32x4.sub(x0, m0), p0);
        p1 = fma(g1, f32x4.sub(x1, m1), p1);
      }
      v128.store(sum + c, f32x4.add(v128.load(sum + c), s0));
      v128.store(sum + c, f32x4.add(v128.load(sum + c, 16), s1), 16);
      v128.store(product + c, f32x4.add(v128.load(product + c), p0));
      v128.store(product + c, f32x4.add(v128.load(product + c, 16), p1), 16);
    }
    for (; c < end; c += 4) {
      const mean = load<f32>(<usize>param(d, 4) + ofGroup + c);
      let s: f32 = 0;
      let p: f32 = 0;
      for (let at = x + <usize>r * step + c; at < last; at += step) {
        const y = f32x4.extract_lane(
          normalizeOne(at, <usize>param(d, 2) + ofGroup + c, <usize>param(d, 3) + ofGroup + c),
          0,
        );
        const g: f32 = !isRelu || y > 0 ? load<f32>(at + dyOffset) : 0;
        s += g;
        p += g * (load<f32>(at) - mean);
      }
      store<f32>(sum + c, load<f32>(sum + c) + s);
      store<f32>(product + c, load<f32>(product + c) + p);
    }
  }
}

/**
 * dGamma and dBeta, and dx = scale·dy' + slope·x + offset: parameters 0 partials · 1 n · 2 C · 3 blocks a group · 4 groups ·
 * 5 mean · 6 variance · 7 epsilon · 8 scale · 9 slope · 10 offset · 11 dGamma · 12 dBeta · 13 channels a chunk.
 */
export function normGradCombine(d: usize, chunk: i32): void {
  const n = <f64>param(d, 1);
  const C = param(d, 2);
  const blocks = param(d, 3);
  const step = (<usize>C) << 2;
  const c1 = min((chunk + 1) * param(d, 13), C);
  for (let i = chunk * param(d, 13); i < c1; i++) {
    const c = (<usize>i) << 2;
    let dGamma: f64 = 0;
    let dBeta: f64 = 0;
    let from = <usize>param(d, 0) + c;
    for (let g = 0; g < param(d, 4); g++) {
      let sum: f64 = 0;
      let product: f64 = 0;
      for (let b = 0; b < blocks; b++, from += 2 * step) {
        sum += <f64>load<f32>(from);
        product += <f64>load<f32>(from + step);
      }
      const at = <usize>g * step + c;
      const mean = <f64>load<f32>(<usize>param(d, 5) + at);
      const inverse = 1 / (<f64>load<f32>(<usize>param(d, 6) + at) + <f64>floatParam(d, 7));
      const scale = <f64>load<f32>(<usize>param(d, 8) + at);
      const slope = (-scale * inverse * product) / n;
      store<f32>(<usize>param(d, 9) + at, <f32>slope);
      store<f32>(<usize>param(d, 10) + at, <f32>(-slope * mean - (scale * sum) / n));
      dGamma += product * sqrt(inverse);
      dBeta += sum;
    }
    store<f32>(<usize>param(d, 11) + c, <f32>dGamma);
    store<f32>(<usize>param(d, 12) + c, <f32>dBeta);
  }
}

/**
 * dx = scale·dy' + slope·x + offset: parameters 0 x · 1 dy · 2 dx · 3 scale · 4 shift · 5 slope · 6 offset · 7 n · 8 C ·
 * 9 blocks a group · 10 rows a block · 11 ReLU.
 */
export function normGradApply(d: usize, chunk: i32): void {
  const C = param(d, 8);
  const group = chunk / param(d, 9);
  const r0 = (chunk % param(d, 9)) * param(d, 10);
  const rows = min(param(d, 10), param(d, 7) - r0);
  const step = (<usize>C) << 2;
  const first = (<usize>group * param(d, 7) + r0) * step;
  const scale = <usize>param(d, 3) + <usize>group * step;
  const shift = <usize>param(d, 4) + <usize>group * step;
  const slope = <usize>param(d, 5) + <usize>group * step;
  const offset = <usize>param(d, 6) + <usize>group * step;
  const always = param(d, 11) != 0 ? i32x4.splat(0) : i32x4.splat(-1);
  const zero = f32x4.splat(0);
  let x = <usize>param(d, 0) + first;
  let dy = <usize>param(d, 1) + first;
  let dx = <usize>param(d, 2) + first;
  for (let r = 0; r < rows; r++, x += step, dy += step, dx += step) {
    let c: usize = 0;
    for (; c + 32 <= step; c += 32) {
      const x0 = v128.load(x + c);
      const x1 = v128.load(x + c, 16);
      const k0 = v128.load(scale + c);
      const k1 = v128.load(scale + c, 16);
      const g0 = v128.and(v128.load(dy + c), v128.or(f32x4.gt(fma(x0, k0, v128.load(shift + c)), zero), always));
      const g1 = v128.and(
        v128.load(dy + c, 16),
        v128.or(f32x4.gt(fma(x1, k1, v128.load(shift + c, 16)), zero), always),
      );
      v128.store(dx + c, fma(k0, g0, fma(x0, v128.load(slope + c), v128.load(offset + c))));
      v128.store(dx + c, fma(k1, g1, fma(x1, v128.load(slope + c, 16), v128.load(offset + c, 16))), 16);
    }
    for (; c < step; c += 4) {
      const isOn = v128.or(f32x4.gt(normalizeOne(x + c, scale + c, shift + c), zero), always);
      const g = v128.and(v128.load32_zero(dy + c), isOn);
      v128.store32_lane(dx + c, fma(v128.load32_zero(scale + c), g, normalizeOne(x + c, slope + c, offset + c)), 0);
    }
  }
}
