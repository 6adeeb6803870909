/**
 * Random resize crop of BYOL-A: paste a spectrogram in the middle of a larger canvas of zeros, cut a rectangle anywhere, and
 * resize it to the input's size: shifts and stretches in time and frequency. Niizumi et al., "BYOL for audio",
 * arXiv 2103.06695v2, §III-B; also used by DeLoRes, ATST and Audio Barlow Twins.
 *
 * The resize is bicubic with a = −0.75 and aligned corners (torch's `interpolate(mode='bicubic', align_corners=True)`), taps
 * clamped to the rectangle. It is separable: rows outside the input are zeros and are never computed.
 * Legend: F bands, T frames.
 */
import { ConfigError, type NdArray, type Rng } from '@unlabel/core';
import { cubicTaps } from './cubic.ts';
import { matrixShape } from './shape.ts';

/** A rectangle on the canvas: corner (i, j), height h in bands, width w in frames. */
export interface CropBox {
  readonly i: number;
  readonly j: number;
  readonly h: number;
  readonly w: number;
}

export interface RandomResizeCropOptions {
  /** Canvas over input size, [frequency, time], each ≥ 1. Default [1, 1.5]; ATST-Frame [1, 1]. */
  readonly virtualCropScale?: readonly [number, number];
  /** Range of h/F. Default [0.6, 1.5]. */
  readonly freqScale?: readonly [number, number];
  /** Range of w/T. Default [0.6, 1.5]. */
  readonly timeScale?: readonly [number, number];
}

const canvasOf = (size: number, scale: number): number => Math.floor(size * scale);

/**
 * x [F, T] → the rectangle `box` of its canvas, resized to [F, T].
 * @throws ConfigError when the rectangle does not lie on the canvas
 */
export function resizeCrop(x: NdArray, box: CropBox, virtualCropScale: readonly [number, number] = [1, 1.5]): NdArray {
  const [F, T] = matrixShape(x, 'resizeCrop');
  const [canvasF, canvasT] = [canvasOf(F, virtualCropScale[0]), canvasOf(T, virtualCropScale[1])];
  const { i, j, h, w } = box;
  const fits = [i, j, h, w].every(Number.isInteger) && i >= 0 && j >= 0 && h >= 1 && w >= 1;
  if (!(canvasF >= F && canvasT >= T && fits && i + h <= canvasF && j + w <= canvasT)) {
    throw new ConfigError(
      `resizeCrop: the rectangle (${i}, ${j}) of ${h} × ${w} must lie on a canvas of ${canvasF} × ${canvasT} around ${F} × ${T}.`,
    );
  }
  const top = Math.floor((canvasF - F) / 2) - i; // the input's first band, seen from the rectangle
  const left = Math.floor((canvasT - T) / 2) - j;
  const firstRow = Math.max(0, top);
  const lastRow = Math.min(h, top + F); // rows of the rectangle that hold input: firstRow … lastRow − 1

  const columns = cubicTaps(w, T);
  const rows = new Float64Array((Math.max(0, lastRow - firstRow) + 1) * T); // resized in time; the last row stays zero
  const zeroRow = rows.length - T;
  const line = new Float64Array(w + 3); // a row of the rectangle, its ends repeated once before and twice behind
  const from = Math.max(0, left);
  const to = Math.min(w, left + T);
  for (let r = firstRow, at = 0; r < lastRow; r++, at += T) {
    for (let c = from, source = (r - top) * T + from - left; c < to; c++) line[c + 1] = x.data[source++]!;
    line[0] = line[1]!;
    line[w + 1] = line[w + 2] = line[w]!;
    for (let t = 0, k = 0; t < T; t++, k += 4) {
      const base = columns.bases[t]!;
      rows[at + t] =
        columns.weights[k]! * line[base]! +
        columns.weights[k + 1]! * line[base + 1]! +
        columns.weights[k + 2]! * line[base + 2]! +
        columns.weights[k + 3]! * line[base + 3]!;
    }
  }

  const bands = cubicTaps(h, F);
  const data = new Float32Array(F * T);
  const rowOf = (row: number): number => {
    const clamped = Math.max(0, Math.min(h - 1, row));
    return clamped < firstRow || clamped >= lastRow ? zeroRow : (clamped - firstRow) * T;
  };
  for (let f = 0; f < F; f++) {
    const base = bands.bases[f]!;
    const [a, b, c, d] = [rowOf(base - 1), rowOf(base), rowOf(base + 1), rowOf(base + 2)];
    const [wa, wb] = [bands.weights[4 * f]!, bands.weights[4 * f + 1]!];
    const [wc, wd] = [bands.weights[4 * f + 2]!, bands.weights[4 * f + 3]!];
    for (let t = 0, at = f * T; t < T; t++, at++) {
      data[at] = wa * rows[a + t]! + wb * rows[b + t]! + wc * rows[c + t]! + wd * rows[d + t]!;
    }
  }
  return { data, shape: [F, T] };
}

/** The rectangle for an input of F bands and T frames: sizes clipped to the canvas, corner uniform where it fits. */
export function drawCropBox(F: number, T: number, rng: Rng, options: RandomResizeCropOptions = {}): CropBox {
  const { virtualCropScale = [1, 1.5], freqScale = [0.6, 1.5], timeScale = [0.6, 1.5] } = options;
  const [canvasF, canvasT] = [canvasOf(F, virtualCropScale[0]), canvasOf(T, virtualCropScale[1])];
  const clipped = (size: number, most: number): number => Math.max(1, Math.min(most, Math.floor(size)));
  const h = clipped(rng.range(...freqScale) * F, canvasF);
  const w = clipped(rng.range(...timeScale) * T, canvasT);
  return { i: rng.int(canvasF - h + 1), j: rng.int(canvasT - w + 1), h, w };
}

/** x [F, T] → [F, T] with a random rectangle. */
export function randomResizeCrop(x: NdArray, rng: Rng, options: RandomResizeCropOptions = {}): NdArray {
  const [F, T] = matrixShape(x, 'randomResizeCrop');
  return resizeCrop(x, drawCropBox(F, T, rng, options), options.virtualCropScale);
}
