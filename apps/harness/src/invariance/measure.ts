/** From the embeddings of clips and of what transformations make of them to distances with intervals. */
import { createRng } from '@unlabel/core';
import { cosineDistance, mahalanobis } from './distance.ts';

/** A part of an embedding: columns from … to − 1. */
export interface Part {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface MovedClips {
  /** [clips, width] */
  readonly original: Float32Array;
  /** By transformation [clips, width]. */
  readonly moved: ReadonlyMap<string, Float32Array>;
  readonly width: number;
}

export interface InvarianceRow {
  readonly model: string;
  readonly task: string;
  /** `whole`, `contrastive`, `predictive`, or `contrastive − predictive`: the difference of the relative distances, clip by clip. */
  readonly part: string;
  readonly transform: string;
  readonly clips: number;
  /** 1 − cosine; of a difference of parts: null, as its Mahalanobis distance is. */
  readonly cosine: Interval | null;
  readonly mahalanobis: Interval | null;
  /** Mahalanobis distance over its mean between different clips. */
  readonly relative: Interval;
}

/** Mean, and the 95 % percentile interval over resampled clips. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 1000;
/** Pairs of different clips behind the scale. */
const pairs = 2000;

/** Distances of every part under every transformation, and under `mean`, all of them. Two branches are compared besides. */
export function measure(
  clips: MovedClips,
  parts: readonly Part[],
  at: { readonly model: string; readonly task: string; readonly seed: number },
): InvarianceRow[] {
  const { width, moved } = clips;
  const n = clips.original.length / width;
  const rows: InvarianceRow[] = [];
  const relativeOf = new Map<string, Map<string, Float64Array>>();
  const named = { model: at.model, task: at.task, clips: n };
  for (const part of parts) {
    const size = part.to - part.from;
    const original = columns(clips.original, width, part);
    const metric = mahalanobis(original, size);
    const row = (data: Float32Array, i: number): Float32Array => data.subarray(i * size, (i + 1) * size);
    const rng = createRng(at.seed).fork('invariance-pairs');
    let scale = 0;
    for (let p = 0; p < pairs; p++) {
      const i = rng.int(n);
      const j = (i + 1 + rng.int(n - 1)) % n;
      scale += metric.between(row(original, i), row(original, j)) / pairs;
    }
    const cosines: Float64Array[] = [];
    const distances: Float64Array[] = [];
    const byTransform = new Map<string, Float64Array>();
    const add = (transform: string, cosine: Float64Array, distance: Float64Array): void => {
      const relative = distance.map((value) => value / scale);
      byTransform.set(transform, relative);
      rows.push({
        ...named, part: part.name, transform, cosine: interval(cosine, at.seed), mahalanobis: interval(distance, at.seed), relative: interval(relative, at.seed),
      }); // prettier-ignore
    };
    for (const [transform, all] of moved) {
      const other = columns(all, width, part);
      const [cosine, distance] = [new Float64Array(n), new Float64Array(n)];
      for (let i = 0; i < n; i++) {
        cosine[i] = cosineDistance(row(original, i), row(other, i));
        distance[i] = metric.between(row(original, i), row(other, i));
      }
      cosines.push(cosine);
      distances.push(distance);
      add(transform, cosine, distance);
    }
    add('mean', average(cosines), average(distances));
    relativeOf.set(part.name, byTransform);
  }
  const [a, b] = parts.filter(({ name }) => name !== 'whole');
  if (a && b) {
    const [ofA, ofB] = [relativeOf.get(a.name)!, relativeOf.get(b.name)!];
    for (const [transform, values] of ofA) {
      const difference = values.map((value, i) => value - ofB.get(transform)![i]!);
      const part = `${a.name} − ${b.name}`;
      rows.push({
        ...named,
        part,
        transform,
        cosine: null,
        mahalanobis: null,
        relative: interval(difference, at.seed),
      });
    }
  }
  return rows;
}

function columns(data: Float32Array, width: number, { from, to }: Part): Float32Array {
  const size = to - from;
  const out = new Float32Array((data.length / width) * size);
  for (let i = 0; i < out.length / size; i++) out.set(data.subarray(i * width + from, i * width + to), i * size);
  return out;
}

const average = (lists: readonly Float64Array[]): Float64Array =>
  lists[0]!.map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length);

const meanOf = (values: Float64Array): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** The draws are the same for all, so that what is seen of two models is seen on the same clips. */
function interval(values: Float64Array, seed: number): Interval {
  const rng = createRng(seed).fork('invariance-bootstrap');
  const n = values.length;
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[rng.int(n)]!;
    means[r] = sum / n;
  }
  means.sort();
  return { mean: meanOf(values), low: means[Math.floor(0.025 * resamples)]!, high: means[Math.ceil(0.975 * resamples) - 1]! };
} // prettier-ignore
