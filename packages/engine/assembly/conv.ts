/**
 * Convolutions of NHWC images by [kh, kw, in, out] filters, without im2col: an output pixel's inputs under one filter row are
 * kw·in consecutive numbers, so rows of a zero-padded copy of the image serve as rows of A in a matrix product.
 */
import { panelBytes } from './gemm';
import { MR, NR, tileRows, tileRuns } from './micro';
import { floatParam, param } from './parameters';
import { scratch } from './scratch';

/**
 * Copy `rows` rows of an image into a buffer of row length `width` pixels, `left` zeros first. The image's pixels lie `down` and
 * `across` apart with zeros between them (1: side by side); rows from `y` on may lie outside it.
 */
function padRows(
  to: usize,
  image: usize,
  H: i32,
  W: i32,
  pixel: usize,
  y: i32,
  rows: i32,
  left: i32,
  width: i32,
  down: i32,
  across: i32,
): void {
  const leftBytes = left * pixel;
  const rowBytes = <usize>width * pixel;
  const copied = <usize>min(W, (width - left + across - 1) / across);
  for (let r = 0; r < rows; r++, to += rowBytes, y++) {
    if (y < 0 || y % down != 0 || y / down >= H) {
      memory.fill(to, 0, rowBytes);
      continue;
    }
    const from = image + <usize>(y / down) * W * pixel;
    if (across == 1) {
      memory.fill(to, 0, leftBytes);
      memory.copy(to + leftBytes, from, copied * pixel);
      memory.fill(to + leftBytes + copied * pixel, 0, rowBytes - leftBytes - copied * pixel);
      continue;
    }
    memory.fill(to, 0, rowBytes);
    for (let i: usize = 0; i < copied; i++) memory.copy(to + leftBytes + i * across * pixel, from + i * pixel, pixel);
  }
}

/**
 * Some output rows of one image: parameters 0 x · 1 packed filter [out/NR][kh·kw·in + 1, NR] · 2 bias · 3 y · 4 H · 5 W · 6 in ·
 * 7 OH · 8 OW · 9 out · 10 kh · 11 kw · 12, 13 strides · 14 top · 15 left padding · 16 rows a chunk · 17 chunks an image ·
 * 18 lower bound of the result · 19 padded width · 20, 21 distance of the input's pixels down and across.
 */
export function convolve(d: usize, chunk: i32): void {
  const H = param(d, 4);
  const W = param(d, 5);
  const OH = param(d, 7);
  const OW = param(d, 8);
  const OC = param(d, 9);
  const kh = param(d, 10);
  const strideH = param(d, 12);
  const width = param(d, 19);
  const floor = floatParam(d, 18);
  const pixel = (<usize>param(d, 6)) << 2;
  const depth = param(d, 11) * param(d, 6);
  const image = chunk / param(d, 17);
  const y0 = (chunk % param(d, 17)) * param(d, 16);
  const rows = min(param(d, 16), OH - y0);
  const temp = scratch;
  const padded = scratch + MR * NR * 4;
  const rowBytes = <usize>width * pixel;
  const step = <usize>param(d, 13) * pixel;
  const ldc = (<usize>OC) << 2;
  padRows(
    padded,
    <usize>param(d, 0) + <usize>image * H * W * pixel,
    H,
    W,
    pixel,
    y0 * strideH - param(d, 14),
    (rows - 1) * strideH + kh,
    param(d, 15),
    width,
    param(d, 20),
    param(d, 21),
  );
  let b = <usize>param(d, 1);
  for (let j = 0; j < OC; j += NR, b += panelBytes(depth * kh)) {
    const columns = min(NR, OC - j);
    const init = <usize>param(d, 2) + (j << 2);
    for (let r = 0; r < rows; r++) {
      const a = padded + <usize>r * strideH * rowBytes;
      const c = <usize>param(d, 3) + (<usize>(image * OH + y0 + r) * OW * OC + j) * 4;
      for (let x = 0; x < OW; x += MR) {
        const m = min(MR, OW - x);
        if (m == MR && columns == NR) {
          tileRows(a + x * step, step, m, kh, rowBytes, depth, b, init, 0, c + x * ldc, ldc, floor);
          continue;
        }
        if (columns < NR) {
          for (let l = 0; l < NR; l++) store<f32>(temp + (l << 2), l < columns ? load<f32>(init + (l << 2)) : 0);
        }
        tileRows(a + x * step, step, m, kh, rowBytes, depth, b, columns < NR ? temp : init, 0, temp, NR * 4, floor);
        for (let i = 0; i < m; i++) memory.copy(c + (x + i) * ldc, temp + i * NR * 4, columns << 2);
      }
    }
  }
}

/** Pack the columns of dy [pixels, OC] as panels [pixels, NR]. */
function packPanels(packed: usize, dy: usize, pixels: i32, OC: i32, panels: i32): void {
  for (let p = 0; p < panels; p++) {
    const columns = min(NR, OC - p * NR);
    let to = packed + <usize>p * pixels * NR * 4;
    let from = dy + p * NR * 4;
    for (let i = 0; i < pixels; i++, from += OC << 2, to += NR * 4) {
      if (columns == NR) {
        for (let l: usize = 0; l < <usize>NR * 4; l += 16) v128.store(to + l, v128.load(from + l));
      } else {
        for (let l = 0; l < NR; l++) store<f32>(to + (l << 2), l < columns ? load<f32>(from + (l << 2)) : 0);
      }
    }
  }
}

/**
 * Filter gradient of some images, added up in depth order into a partial sum of its own: parameters 0 x · 1 dy · 2 partial sums ·
 * 3 images · 4…15, 19 as `convolve` · 16 images a chunk · 17 output rows at a time. One chunk's partial is
 * [kh][kw·in rounded up to MR, out rounded up to NR].
 */
export function convolveFilterGrad(d: usize, chunk: i32): void {
  const H = param(d, 4);
  const W = param(d, 5);
  const C = param(d, 6);
  const OH = param(d, 7);
  const OW = param(d, 8);
  const OC = param(d, 9);
  const kh = param(d, 10);
  const strideH = param(d, 12);
  const width = param(d, 19);
  const pixel = (<usize>C) << 2;
  const M = param(d, 11) * C;
  const panels = (OC + NR - 1) / NR;
  const strips = (M + MR - 1) / MR;
  const ldc = <usize>panels * NR * 4;
  const size = <usize>kh * strips * MR * ldc;
  const partial = <usize>param(d, 2) + <usize>chunk * size;
  const first = chunk * param(d, 16);
  const last = min(first + param(d, 16), param(d, 3));
  const rowBytes = <usize>width * pixel;
  const step = <usize>param(d, 13) * pixel;
  const most = param(d, 17);
  // With few rows of A there is little use in a packed copy.
  const isDirect = strips <= 2 && OC % NR == 0;
  const packed = scratch;
  const padded = packed + <usize>most * OW * ldc;
  memory.fill(partial, 0, size);
  for (let image = first; image < last; image++) {
    for (let y = 0; y < OH; y += most) {
      const rows = min(most, OH - y);
      padRows(
        padded,
        <usize>param(d, 0) + <usize>image * H * W * pixel,
        H,
        W,
        pixel,
        y * strideH - param(d, 14),
        (rows - 1) * strideH + kh,
        param(d, 15),
        width,
        1,
        1,
      );
      const dy = <usize>param(d, 1) + <usize>(image * OH + y) * OW * OC * 4;
      const pixels = rows * OW;
      if (!isDirect) packPanels(packed, dy, pixels, OC, panels);
      for (let ky = 0; ky < kh; ky++) {
        const a = padded + ky * rowBytes;
        for (let p = 0; p < panels; p++) {
          const b = isDirect ? dy + p * NR * 4 : packed + <usize>p * pixels * NR * 4;
          for (let s = 0; s < strips; s++) {
            const c = partial + <usize>(ky * strips + s) * MR * ldc + p * NR * 4;
            tileRuns(a + s * MR * 4, step, b, isDirect ? OC << 2 : NR * 4, rows, strideH * rowBytes, OW, c, ldc);
          }
        }
      }
    }
  }
}

/**
 * Add partial filter gradients in order and drop their padding: parameters 0 partials · 1 count · 2 result · 3 rows a filter row ·
 * 4 columns · 5 padded rows · 6 padded columns · 7 filter rows. A chunk is a filter row.
 */
export function sumPartials(d: usize, chunk: i32): void {
  const count = param(d, 1);
  const rows = param(d, 3);
  const columns = param(d, 4);
  const ldc = (<usize>param(d, 6)) << 2;
  const block = <usize>param(d, 5) * ldc;
  const size = block * param(d, 7);
  let to = <usize>param(d, 2) + <usize>chunk * rows * columns * 4;
  for (let r = 0; r < rows; r++) {
    const from = <usize>param(d, 0) + chunk * block + r * ldc;
    for (let j = 0; j < columns; j++, to += 4) {
      let sum: f32 = 0;
      let at = from + (j << 2);
      for (let i = 0; i < count; i++, at += size) sum += load<f32>(at);
      store<f32>(to, sum);
    }
  }
}

/**
 * Pack a filter for the gradient with respect to the input, turned by 180° and with in and out exchanged: parameters
 * 0 filter [kh, kw, in, out] · 1 packed [in/NR][kh·kw·out + 1, NR] · 2 kh · 3 kw · 4 in · 5 out. A chunk is a panel.
 */
export function packFilterTransposed(d: usize, chunk: i32): void {
  const taps = param(d, 2) * param(d, 3);
  const C = param(d, 4);
  const OC = param(d, 5);
  const columns = min(NR, C - chunk * NR);
  let to = <usize>param(d, 1) + <usize>chunk * panelBytes(taps * OC);
  for (let t = taps - 1; t >= 0; t--) {
    const from = <usize>param(d, 0) + (<usize>t * C + chunk * NR) * OC * 4;
    for (let o = 0; o < OC; o++, to += NR * 4) {
      for (let l = 0; l < NR; l++) {
        store<f32>(to + (l << 2), l < columns ? load<f32>(from + (<usize>l * OC + o) * 4) : 0);
      }
    }
  }
}
