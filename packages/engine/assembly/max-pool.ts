/** The gradient of max pooling on NHWC images, any window. */
import { param } from './parameters';

/**
 * dx: each window's dy goes to its first maximum: parameters 0 x · 1 dy · 2 dx · 3 H · 4 W · 5 C · 6 OH · 7 OW · 8, 9 window ·
 * 10, 11 strides · 12 top · 13 left padding. A chunk is an image, because windows may overlap.
 */
export function maxPoolGrad(d: usize, chunk: i32): void {
  const H = param(d, 3);
  const W = param(d, 4);
  const C = param(d, 5);
  const OH = param(d, 6);
  const OW = param(d, 7);
  const step = (<usize>C) << 2;
  const image = <usize>chunk * H * W * step;
  const x = <usize>param(d, 0) + image;
  const dx = <usize>param(d, 2) + image;
  let dy = <usize>param(d, 1) + <usize>chunk * OH * OW * step;
  memory.fill(dx, 0, <usize>H * W * step);
  for (let r = 0; r < OH; r++) {
    const y0 = r * param(d, 10) - param(d, 12);
    const y1 = min(y0 + param(d, 8), H);
    for (let i = 0; i < OW; i++, dy += step) {
      const x0 = i * param(d, 11) - param(d, 13);
      const x1 = min(x0 + param(d, 9), W);
      const first = <usize>(max(y0, 0) * W + max(x0, 0)) * step;
      let c: usize = 0;
      for (; c + 16 <= step; c += 16) {
        let best = v128.load(x + first + c);
        let at = i32x4.splat(<i32>first);
        for (let h = max(y0, 0); h < y1; h++) {
          for (let w = max(x0, 0); w < x1; w++) {
            const offset = <usize>(h * W + w) * step;
            const value = v128.load(x + offset + c);
            const isMore = f32x4.gt(value, best);
            best = v128.bitselect(value, best, isMore);
            at = v128.bitselect(i32x4.splat(<i32>offset), at, isMore);
          }
        }
        add(dx + <usize>i32x4.extract_lane(at, 0) + c, load<f32>(dy + c));
        add(dx + <usize>i32x4.extract_lane(at, 1) + c + 4, load<f32>(dy + c, 4));
        add(dx + <usize>i32x4.extract_lane(at, 2) + c + 8, load<f32>(dy + c, 8));
        add(dx + <usize>i32x4.extract_lane(at, 3) + c + 12, load<f32>(dy + c, 12));
      }
      for (; c < step; c += 4) {
        let at = first;
        for (let h = max(y0, 0); h < y1; h++) {
          for (let w = max(x0, 0); w < x1; w++) {
            const offset = <usize>(h * W + w) * step;
            if (load<f32>(x + offset + c) > load<f32>(x + at + c)) at = offset;
          }
        }
        add(dx + at + c, load<f32>(dy + c));
      }
    }
  }
}

function add(at: usize, value: f32): void {
  store<f32>(at, load<f32>(at) + value);
}
