/** Sums over rows or columns, and the time pooling of audio networks. */
import { fma } from './micro';
import { floatParam, param } from './parameters';
import { touch } from './scratch';

/**
 * Column sums of a block of rows: parameters 0 x [rows, C] · 1 partials [blocks][C] · 2 rows · 3 C · 4 rows a block · 5 blocks of
 * channels · 6 channels a block.
 */
export function columnSums(d: usize, chunk: i32): void {
  const step = (<usize>param(d, 3)) << 2;
  const block = chunk / param(d, 5);
  const start = (<usize>((chunk % param(d, 5)) * param(d, 6))) << 2;
  const end = min(start + ((<usize>param(d, 6)) << 2), step);
  const r0 = block * param(d, 4);
  const r1 = min(r0 + param(d, 4), param(d, 2));
  const sum = <usize>param(d, 1) + <usize>block * step;
  memory.fill(sum + start, 0, end - start);
  for (let r = r0; r < r1; r += 32) {
    const first = <usize>param(d, 0) + <usize>r * step;
    const last = <usize>param(d, 0) + <usize>min(r + 32, r1) * step;
    if (param(d, 5) == 1) touch(first, last - first);
    let c = start;
    for (; c + 32 <= end; c += 32) {
      let s0 = f32x4.splat(0);
      let s1 = s0;
      for (let at = first + c; at < last; at += step) {
        s0 = f32x4.add(s0, v128.load(at));
        s1 = f32x4.add(s1, v128.load(at, 16));
      }
      v128.store(sum + c, f32x4.add(v128.load(sum + c), s0));
      v128.store(sum + c, f32x4.add(v128.load(sum + c, 16), s1), 16);
    }
    for (; c < end; c += 4) {
      let s: f32 = 0;
      for (let at = first + c; at < last; at += step) s += load<f32>(at);
      store<f32>(sum + c, load<f32>(sum + c) + s);
    }
  }
}

/** Add blocks' column sums in double precision: parameters 0 partials · 1 y · 2 blocks · 3 C · 4 factor · 5 channels a chunk. */
export function columnSumsCombine(d: usize, chunk: i32): void {
  const step = (<usize>param(d, 3)) << 2;
  const end = min((<usize>((chunk + 1) * param(d, 5))) << 2, step);
  for (let c = (<usize>(chunk * param(d, 5))) << 2; c < end; c += 4) {
    let sum: f64 = 0;
    let from = <usize>param(d, 0) + c;
    for (let b = 0; b < param(d, 2); b++, from += step) sum += <f64>load<f32>(from);
    store<f32>(<usize>param(d, 1) + c, <f32>(sum * <f64>floatParam(d, 4)));
  }
}

/**
 * Sums along rows: parameters 0 x [rows, n] · 1 y [rows] · 2 rows · 3 n · 4 factor · 5 rows a chunk. Thirty-two partial sums over
 * stretches of 4096 numbers, stretches added in double precision.
 */
export function rowSums(d: usize, chunk: i32): void {
  const n = param(d, 3);
  const r1 = min((chunk + 1) * param(d, 5), param(d, 2));
  for (let r = chunk * param(d, 5); r < r1; r++) {
    const x = <usize>param(d, 0) + <usize>r * n * 4;
    let total: f64 = 0;
    for (let i = 0; i < n; i += 4096) {
      const end = x + ((<usize>min(i + 4096, n)) << 2);
      let at = x + ((<usize>i) << 2);
      let s0 = f32x4.splat(0);
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (; at + 64 <= end; at += 64) {
        s0 = f32x4.add(s0, v128.load(at));
        s1 = f32x4.add(s1, v128.load(at, 16));
        s2 = f32x4.add(s2, v128.load(at, 32));
        s3 = f32x4.add(s3, v128.load(at, 48));
      }
      const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
      total += <f64>f32x4.extract_lane(s, 0) + <f64>f32x4.extract_lane(s, 1);
      total += <f64>f32x4.extract_lane(s, 2) + <f64>f32x4.extract_lane(s, 3);
      for (; at < end; at += 4) total += <f64>load<f32>(at);
    }
    store<f32>(<usize>param(d, 1) + ((<usize>r) << 2), <f32>(total * <f64>floatParam(d, 4)));
  }
}

/** y = max + mean over time: parameters 0 x [B, T, D] · 1 y [B, D] · 2 T · 3 D. A chunk is a clip. */
export function maxMeanTime(d: usize, chunk: i32): void {
  const T = param(d, 2);
  const step = (<usize>param(d, 3)) << 2;
  const first = <usize>param(d, 0) + <usize>chunk * T * step;
  const last = first + <usize>T * step;
  const y = <usize>param(d, 1) + <usize>chunk * step;
  const part: f32 = 1 / <f32>T;
  const factor = f32x4.splat(part);
  let c: usize = 0;
  for (; c + 16 <= step; c += 16) {
    let m = v128.load(first + c);
    let s = m;
    for (let at = first + step + c; at < last; at += step) {
      const x = v128.load(at);
      m = f32x4.pmax(m, x);
      s = f32x4.add(s, x);
    }
    v128.store(y + c, fma(s, factor, m));
  }
  for (; c < step; c += 4) {
    let m = load<f32>(first + c);
    let s = m;
    for (let at = first + step + c; at < last; at += step) {
      const x = load<f32>(at);
      m = x > m ? x : m;
      s += x;
    }
    store<f32>(y + c, s * part + m);
  }
}

/** dx = dy/T, and dy more at the first maximum: parameters 0 x · 1 dy · 2 T · 3 D · 4 dx. A chunk is a clip. */
export function maxMeanTimeGrad(d: usize, chunk: i32): void {
  const T = param(d, 2);
  const step = (<usize>param(d, 3)) << 2;
  const first = <usize>param(d, 0) + <usize>chunk * T * step;
  const last = first + <usize>T * step;
  const dy = <usize>param(d, 1) + <usize>chunk * step;
  const dx = <usize>param(d, 4) - <usize>param(d, 0);
  const part: f32 = 1 / <f32>T;
  for (let c: usize = 0; c < step; c += 4) {
    let best = first + c;
    const g = load<f32>(dy + c);
    for (let at = first + c; at < last; at += step) {
      if (load<f32>(at) > load<f32>(best)) best = at;
      store<f32>(at + dx, g * part);
    }
    store<f32>(best + dx, g * part + g);
  }
}
