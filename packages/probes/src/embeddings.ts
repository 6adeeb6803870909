/** Frozen embeddings as probes take them, and their standardisation. Legend: n clips, D embedding size. */
import { DataError } from '@unlabel/core';

export interface Embeddings {
  /** [n, D] row-major. */
  readonly data: Float32Array | Float64Array;
  /** D. */
  readonly width: number;
}

export const countOf = ({ data, width }: Embeddings): number => data.length / width;

/** @throws DataError for a size that is no multiple of the width, or for a value that is not finite, naming where */
export function checkEmbeddings(embeddings: Embeddings, what: string): void {
  const { data, width } = embeddings;
  if (!(Number.isInteger(width) && width > 0) || data.length % width !== 0) {
    throw new DataError(`${what}: ${data.length} values are not rows of an embedding of size ${width}`);
  }
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i]!)) {
      const [clip, at] = [Math.floor(i / width), i % width];
      throw new DataError(
        `${what}: the embedding of clip ${clip} is ${data[i]} at ${at}; a model must give finite values`,
      );
    }
  }
}

/** (x − mean)·scale; `scale` is 0 for a feature that is constant over the training clips. */
export interface Standardizer {
  readonly mean: Float64Array;
  readonly scale: Float64Array;
  /** Features that vary. */
  readonly active: number;
}

/** Mean and (biased) standard deviation of each feature in float64, two passes. */
export function fitStandardizer({ data, width }: Embeddings): Standardizer {
  const n = data.length / width;
  const mean = new Float64Array(width);
  const scale = new Float64Array(width);
  for (let i = 0; i < data.length; i += width) for (let d = 0; d < width; d++) mean[d]! += data[i + d]!;
  for (let d = 0; d < width; d++) mean[d]! /= n;
  for (let i = 0; i < data.length; i += width) {
    for (let d = 0; d < width; d++) scale[d]! += (data[i + d]! - mean[d]!) ** 2;
  }
  let active = 0;
  for (let d = 0; d < width; d++) {
    const deviation = Math.sqrt(scale[d]! / n);
    // Below this share of the mean a float32 feature has no variance but rounding.
    const isConstant = !(deviation > 1e-7 * Math.abs(mean[d]!) && deviation > 1e-30);
    scale[d] = isConstant ? 0 : 1 / deviation;
    if (!isConstant) active++;
  }
  return { mean, scale, active };
}

/** Writes standardised clips from…to into rows of `stride` values of `out`. */
export function standardizeInto(
  out: Float64Array,
  stride: number,
  { data, width }: Embeddings,
  { mean, scale }: Standardizer,
  from = 0,
  to = data.length / width,
): void {
  for (let i = from; i < to; i++) {
    const row = (i - from) * stride;
    for (let d = 0; d < width; d++) out[row + d] = (data[i * width + d]! - mean[d]!) * scale[d]!;
  }
}
