/**
 * Batch normalisation, ReLU and 2×2 max pooling in one pass, forward and backward, on NHWC images. Sizes are halved and rounded
 * down; an odd last row or column has part in the statistics alone. A chunk is (image, block of pooled rows).
 *
 * Shared parameters: 0 x · 1 y or dy · 2 scale · 3 shift · 4 H · 5 W · 6 C · 7 blocks an image · 8 pooled rows a block ·
 * 9 images a group. x and dx have [images, H, W, C], y and dy [images, ⌊H/2⌋, ⌊W/2⌋, C].
 */
import { fma } from './micro';
import { normalizeOne } from './norm';
import { param } from './parameters';

/** y = max over the window of relu(x·scale + shift). */
export function poolForward(d: usize, chunk: i32): void {
  const H = param(d, 4);
  const W = param(d, 5);
  const step = (<usize>param(d, 6)) << 2;
  const image = chunk / param(d, 7);
  const r0 = (chunk % param(d, 7)) * param(d, 8);
  const r1 = min(r0 + param(d, 8), H >> 1);
  const ofGroup = <usize>(image / param(d, 9)) * step;
  const scale = <usize>param(d, 2) + ofGroup;
  const shift = <usize>param(d, 3) + ofGroup;
  const width = W >> 1;
  const down = <usize>W * step;
  const zero = f32x4.splat(0);
  let y = <usize>param(d, 1) + <usize>(image * (H >> 1) + r0) * width * step;
  for (let r = r0; r < r1; r++) {
    let x = <usize>param(d, 0) + <usize>(image * H + 2 * r) * W * step;
    for (let i = 0; i < width; i++, x += 2 * step, y += step) {
      let c: usize = 0;
      for (; c + 32 <= step; c += 32) {
        const k0 = v128.load(scale + c);
        const k1 = v128.load(scale + c, 16);
        const t0 = v128.load(shift + c);
        const t1 = v128.load(shift + c, 16);
        const a = x + c;
        let m0 = f32x4.pmax(fma(v128.load(a), k0, t0), zero);
        let m1 = f32x4.pmax(fma(v128.load(a, 16), k1, t1), zero);
        m0 = f32x4.pmax(m0, fma(v128.load(a + step), k0, t0));
        m1 = f32x4.pmax(m1, fma(v128.load(a + step, 16), k1, t1));
        m0 = f32x4.pmax(m0, fma(v128.load(a + down), k0, t0));
        m1 = f32x4.pmax(m1, fma(v128.load(a + down, 16), k1, t1));
        m0 = f32x4.pmax(m0, fma(v128.load(a + down + step), k0, t0));
        m1 = f32x4.pmax(m1, fma(v128.load(a + down + step, 16), k1, t1));
        v128.store(y + c, m0);
        v128.store(y + c, m1, 16);
      }
      for (; c < step; c += 4) {
        const a = x + c;
        let m = f32x4.pmax(normalizeOne(a, scale + c, shift + c), zero);
        m = f32x4.pmax(m, normalizeOne(a + step, scale + c, shift + c));
        m = f32x4.pmax(m, normalizeOne(a + down, scale + c, shift + c));
        m = f32x4.pmax(m, normalizeOne(a + down + step, scale + c, shift + c));
        v128.store32_lane(y + c, m, 0);
      }
    }
  }
}

/** Σ dy' and Σ dy'·(x − mean) of a chunk: also 10 mean · 11 partials [chunks][2][C]. dy' is dy at each window's first maximum. */
export function poolGradSums(d: usize, chunk: i32): void {
  const H = param(d, 4);
  const W = param(d, 5);
  const step = (<usize>param(d, 6)) << 2;
  const image = chunk / param(d, 7);
  const r0 = (chunk % param(d, 7)) * param(d, 8);
  const r1 = min(r0 + param(d, 8), H >> 1);
  const ofGroup = <usize>(image / param(d, 9)) * step;
  const scale = <usize>param(d, 2) + ofGroup;
  const shift = <usize>param(d, 3) + ofGroup;
  const mean = <usize>param(d, 10) + ofGroup;
  const sum = <usize>param(d, 11) + <usize>chunk * 2 * step;
  const product = sum + step;
  const width = W >> 1;
  const down = <usize>W * step;
  const zero = f32x4.splat(0);
  memory.fill(sum, 0, 2 * step);
  let dy = <usize>param(d, 1) + <usize>(image * (H >> 1) + r0) * width * step;
  for (let r = r0; r < r1; r++) {
    let x = <usize>param(d, 0) + <usize>(image * H + 2 * r) * W * step;
    for (let i = 0; i < width; i++, x += 2 * step, dy += step) {
      let c: usize = 0;
      for (; c + 32 <= step; c += 32) {
        const k0 = v128.load(scale + c);
        const k1 = v128.load(scale + c, 16);
        const t0 = v128.load(shift + c);
        const t1 = v128.load(shift + c, 16);
        const a = x + c;
        // Of equal maxima the first: a later one replaces it only when greater.
        let w0 = v128.load(a);
        let w1 = v128.load(a, 16);
        let m0 = fma(w0, k0, t0);
        let m1 = fma(w1, k1, t1);
        let x0 = v128.load(a + step);
        let x1 = v128.load(a + step, 16);
        let v0 = fma(x0, k0, t0);
        let v1 = fma(x1, k1, t1);
        w0 = v128.bitselect(x0, w0, f32x4.gt(v0, m0));
        w1 = v128.bitselect(x1, w1, f32x4.gt(v1, m1));
        m0 = f32x4.pmax(m0, v0);
        m1 = f32x4.pmax(m1, v1);
        x0 = v128.load(a + down);
        x1 = v128.load(a + down, 16);
        v0 = fma(x0, k0, t0);
        v1 = fma(x1, k1, t1);
        w0 = v128.bitselect(x0, w0, f32x4.gt(v0, m0));
        w1 = v128.bitselect(x1, w1, f32x4.gt(v1, m1));
        m0 = f32x4.pmax(m0, v0);
        m1 = f32x4.pmax(m1, v1);
        x0 = v128.load(a + down + step);
        x1 = v128.load(a + down + step, 16);
        v0 = fma(x0, k0, t0);
        v1 = fma(x1, k1, t1);
        w0 = v128.bitselect(x0, w0, f32x4.gt(v0, m0));
        w1 = v128.bitselect(x1, w1, f32x4.gt(v1, m1));
        m0 = f32x4.pmax(m0, v0);
        m1 = f32x4.pmax(m1, v1);
        const g0 = v128.and(v128.load(dy + c), f32x4.gt(m0, zero));
        const g1 = v128.and(v128.load(dy + c, 16), f32x4.gt(m1, zero));
        v128.store(sum + c, f32x4.add(v128.load(sum + c), g0));
        v128.store(sum + c, f32x4.add(v128.load(sum + c, 16), g1), 16);
        v128.store(product + c, fma(g0, f32x4.sub(w0, v128.load(mean + c)), v128.load(product + c)));
        v128.store(product + c, fma(g1, f32x4.sub(w1, v128.load(mean + c, 16)), v128.load(product + c, 16)), 16);
      }
      for (; c < step; c += 4) {
        const at = firstMaximum(x + c, step, down, scale + c, shift + c);
        if (at == 0) continue;
        const g = load<f32>(dy + c);
        store<f32>(sum + c, load<f32>(sum + c) + g);
        store<f32>(product + c, load<f32>(product + c) + g * (load<f32>(at) - load<f32>(mean + c)));
      }
    }
  }
}

/** Where a window's first maximum lies, 0 if it is not positive. */
function firstMaximum(x: usize, step: usize, down: usize, scale: usize, shift: usize): usize {
  let best: f32 = 0;
  let at: usize = 0;
  for (let i = 0; i < 4; i++) {
    const a = x + (i & 1 ? step : 0) + (i & 2 ? down : 0);
    const v = f32x4.extract_lane(normalizeOne(a, scale, shift), 0);
    if (v > best) {
      best = v;
      at = a;
    }
  }
  return at;
}

/** dx = scale·dy' + slope·x + offset: also 10 slope · 11 offset · 12 dx. The last block of an image does an odd last row too. */
export function poolGradApply(d: usize, chunk: i32): void {
  const H = param(d, 4);
  const W = param(d, 5);
  const step = (<usize>param(d, 6)) << 2;
  const image = chunk / param(d, 7);
  const r0 = (chunk % param(d, 7)) * param(d, 8);
  const r1 = min(r0 + param(d, 8), H >> 1);
  const ofGroup = <usize>(image / param(d, 9)) * step;
  const scale = <usize>param(d, 2) + ofGroup;
  const shift = <usize>param(d, 3) + ofGroup;
  const slope = <usize>param(d, 10) + ofGroup;
  const offset = <usize>param(d, 11) + ofGroup;
  const width = W >> 1;
  const down = <usize>W * step;
  const zero = f32x4.splat(0);
  let dy = <usize>param(d, 1) + <usize>(image * (H >> 1) + r0) * width * step;
  const dxOffset = <usize>param(d, 12) - <usize>param(d, 0);
  for (let r = r0; r < r1; r++) {
    let x = <usize>param(d, 0) + <usize>(image * H + 2 * r) * W * step;
    for (let i = 0; i < width; i++, x += 2 * step, dy += step) {
      let c: usize = 0;
      for (; c + 16 <= step; c += 16) {
        const k = v128.load(scale + c);
        const t = v128.load(shift + c);
        const p = v128.load(slope + c);
        const q = v128.load(offset + c);
        const a = x + c;
        const x0 = v128.load(a);
        const x1 = v128.load(a + step);
        const x2 = v128.load(a + down);
        const x3 = v128.load(a + down + step);
        const v0 = fma(x0, k, t);
        const v1 = fma(x1, k, t);
        const v2 = fma(x2, k, t);
        const v3 = fma(x3, k, t);
        const m = f32x4.pmax(f32x4.pmax(v0, v1), f32x4.pmax(v2, v3));
        let g = f32x4.mul(k, v128.and(v128.load(dy + c), f32x4.gt(m, zero)));
        const o = a + dxOffset;
        let isMax = f32x4.eq(v0, m);
        v128.store(o, f32x4.add(v128.and(g, isMax), fma(x0, p, q)));
        g = v128.andnot(g, isMax);
        isMax = f32x4.eq(v1, m);
        v128.store(o + step, f32x4.add(v128.and(g, isMax), fma(x1, p, q)));
        g = v128.andnot(g, isMax);
        isMax = f32x4.eq(v2, m);
        v128.store(o + down, f32x4.add(v128.and(g, isMax), fma(x2, p, q)));
        g = v128.andnot(g, isMax);
        v128.store(o + down + step, f32x4.add(g, fma(x3, p, q)));
      }
      for (; c < step; c += 4) {
        const a = x + c;
        for (let j = 0; j < 4; j++) {
          const b = a + (j & 1 ? step : 0) + (j & 2 ? down : 0);
          v128.store32_lane(b + dxOffset, normalizeOne(b, slope + c, offset + c), 0);
        }
        const at = firstMaximum(a, step, down, scale + c, shift + c);
        if (at != 0) store<f32>(at + dxOffset, load<f32>(scale + c) * load<f32>(dy + c) + load<f32>(at + dxOffset));
      }
    }
    if (W & 1) {
      beyond(x, step, 1, dxOffset, slope, offset);
      beyond(x + down, step, 1, dxOffset, slope, offset);
    }
  }
  if (H & 1 && r1 == H >> 1) {
    beyond(<usize>param(d, 0) + <usize>(image * H + H - 1) * W * step, step, W, dxOffset, slope, offset);
  }
}

/** Pixels no window covers. */
function beyond(x: usize, step: usize, pixels: i32, dxOffset: usize, slope: usize, offset: usize): void {
  for (let i = 0; i < pixels; i++, x += step) {
    for (let c: usize = 0; c < step; c += 4) {
      v128.store32_lane(x + c + dxOffset, normalizeOne(x + c, slope + c, offset + c), 0);
    }
  }
}
