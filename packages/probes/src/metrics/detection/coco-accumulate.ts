/**
 * Precision over recall of one category: COCOeval.accumulate (pycocotools 2.0.11). Only the places of true positives are
 * kept: precision falls between them, so that the envelope and the first place of each recall lie on them.
 */
import type { CategoryMatches } from './coco-match.ts';
import type { CocoParams } from './coco-params.ts';
import { identityOrder, sortFalling } from './order.ts';

/** Row-major arrays of the official shapes; −1 where there is nothing to detect. */
export interface CocoArrays {
  /** [T, R, K, A, M]. */
  readonly precision: Float64Array;
  /** Score at which a recall is reached, [T, R, K, A, M]. */
  readonly scores: Float64Array;
  /** [T, K, A, M]. */
  readonly recall: Float64Array;
  readonly shape: {
    readonly T: number;
    readonly R: number;
    readonly K: number;
    readonly A: number;
    readonly M: number;
  };
}

export function emptyArrays(params: CocoParams, K: number): CocoArrays {
  const [T, R] = [params.iouThresholds.length, params.recallThresholds.length];
  const [A, M] = [params.areaRanges.length, params.maxDetections.length];
  return {
    precision: new Float64Array(T * R * K * A * M).fill(-1),
    scores: new Float64Array(T * R * K * A * M).fill(-1),
    recall: new Float64Array(T * K * A * M).fill(-1),
    shape: { T, R, K, A, M },
  };
}

/** numpy.spacing(1). */
const EPSILON = 2 ** -52;

/** One list of detections by falling score. */
interface Ranked {
  readonly count: number;
  readonly scores: Float64Array;
  readonly matched: Int32Array;
  readonly ignored: Int32Array;
}

/** Writes category k of `arrays`. */
export function accumulateCategory(matches: CategoryMatches, params: CocoParams, k: number, arrays: CocoArrays): void {
  const { count, ranks, positives } = matches;
  const order = identityOrder(count);
  sortFalling(order, matches.scores, 0, count, new Int32Array(count));
  const ranked = {
    scores: new Float64Array(count),
    matched: new Int32Array(count),
    ignored: new Int32Array(count),
  };
  const hits = { precision: new Float64Array(count), at: new Int32Array(count) };
  params.areaRanges.forEach((_, a) => {
    if (positives[a] === 0) return;
    params.maxDetections.forEach((most, m) => {
      let length = 0;
      for (let i = 0; i < count; i++) {
        const d = order[i]!;
        if (ranks[d]! >= most) continue;
        ranked.scores[length] = matches.scores[d]!;
        ranked.matched[length] = matches.matched[a]![d]!;
        ranked.ignored[length++] = matches.ignored[a]![d]!;
      }
      for (let t = 0; t < arrays.shape.T; t++)
        writeCurve({ ...ranked, count: length }, positives[a]!, params.recallThresholds, hits, arrays, [t, k, a, m]);
    });
  });
}

function writeCurve(
  { count, scores, matched, ignored }: Ranked,
  positives: number,
  recallThresholds: readonly number[],
  hits: { readonly precision: Float64Array; readonly at: Int32Array },
  { precision, scores: scoreArray, recall, shape: { R, K, A, M } }: CocoArrays,
  [t, k, a, m]: readonly [number, number, number, number],
): void {
  const bit = 1 << t;
  let [tp, fp] = [0, 0];
  for (let i = 0; i < count; i++) {
    if (ignored[i]! & bit) continue;
    if (matched[i]! & bit) {
      hits.at[tp] = i;
      tp++;
      hits.precision[tp - 1] = tp / (fp + tp + EPSILON);
    } else fp++;
  }
  for (let i = tp - 1; i > 0; i--)
    if (hits.precision[i]! > hits.precision[i - 1]!) hits.precision[i - 1] = hits.precision[i]!;
  recall[((t * K + k) * A + a) * M + m] = tp / positives;
  let hit = 0;
  for (let r = 0; r < R; r++) {
    const wanted = recallThresholds[r]!;
    const at = (((t * R + r) * K + k) * A + a) * M + m;
    while (hit < tp && (hit + 1) / positives < wanted) hit++;
    // A recall of 0 is reached by the first detection, whatever it is.
    const isReached = wanted <= 0 ? count > 0 : hit < tp;
    precision[at] = isReached && hit < tp ? hits.precision[hit]! : 0;
    scoreArray[at] = isReached ? scores[wanted <= 0 ? 0 : hits.at[hit]!]! : 0;
  }
}
