/** What a task's official metric says of the probe's detections, with bootstrap intervals over test images. */
import type { MetricValue } from '@unlabel/core';
import { bootstrapValues, DEFAULT_RESAMPLES, percentileInterval, resampleRng } from '../bootstrap.ts';
import { createDetections, type CocoGroundTruth } from '../metrics/detection/coco-data.ts';
import { evaluateCoco } from '../metrics/detection/coco-eval.ts';
import { cocoHits, resampledAp, type Interpolation, type RankedHits } from '../metrics/detection/resample.ts';
import { evaluateVoc, vocDefaults, vocHits, type VocDetection, type VocObject } from '../metrics/detection/voc-eval.ts';

/** A line of a COCO results file. */
export interface CocoResult {
  readonly image_id: number;
  readonly category_id: number;
  /** [x, y, width, height] */
  readonly bbox: readonly [number, number, number, number];
  readonly score: number;
}

export interface ScoreOptions {
  /** Names the stream of resamples, which is the same for every model and seed, so that boards can compare them draw by draw. */
  readonly task: string;
  /** Default 1,000. */
  readonly resamples?: number;
}

export interface DetectionScores {
  /** The first is the primary. */
  readonly metrics: Record<string, MetricValue>;
  /** Values of the primary metric under the resamples. */
  readonly resamples: Float64Array;
  readonly notes: readonly string[];
}

interface Resampled {
  readonly interpolation: Interpolation;
  /** IoU thresholds by index, default all. */
  readonly thresholds?: readonly number[];
}

/** Of 0.5, 0.55, …: 0.5 and 0.75. */
const [at50, at75] = [[0], [5]];

/** COCOeval's twelve numbers by boxes; AP, AP50 and AP75 with intervals. */
export function scoreCocoResults(
  truth: CocoGroundTruth,
  results: readonly CocoResult[],
  options: ScoreOptions,
): DetectionScores {
  const builder = createDetections(truth, { withMasks: false });
  for (const result of results) builder.add(result);
  const detections = builder.finish();
  const { stats, notes } = evaluateCoco(truth, detections);
  const { intervals, resamples } = intervalsOf(cocoHits(truth, detections), options, stats, {
    AP: { interpolation: 'coco' },
    AP50: { interpolation: 'coco', thresholds: at50 },
    AP75: { interpolation: 'coco', thresholds: at75 },
  });
  return { metrics: valuesOf(stats, intervals), resamples, notes };
}

/**
 * VOC's AP by the devkit's rules: at an IoU of 0.5 as the area under the envelope and at 11 points, at 0.75, and the mean of 0.5, 0.55,
 * …, 0.95; all with intervals.
 */
export function scoreVocResults(
  truth: ReadonlyMap<string, readonly VocObject[]>,
  classes: readonly string[],
  detections: readonly VocDetection[],
  options: ScoreOptions,
): DetectionScores {
  const { mean, notes } = evaluateVoc(truth, classes, detections, vocDefaults);
  const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const stats = {
    AP50: mean.apArea[0]!,
    AP50_11point: mean.ap11[0]!,
    AP75: mean.apArea[5]!,
    AP: average(mean.apArea),
  };
  const { intervals, resamples } = intervalsOf(vocHits(truth, classes, detections), options, stats, {
    AP50: { interpolation: 'area', thresholds: at50 },
    AP50_11point: { interpolation: 'eleven-point', thresholds: at50 },
    AP75: { interpolation: 'area', thresholds: at75 },
    AP: { interpolation: 'area' },
  });
  return { metrics: valuesOf(stats, intervals), resamples, notes };
}

type Intervals = Readonly<Record<string, Pick<MetricValue, 'low' | 'high'>>>;

/** The first wanted is the primary. */
function intervalsOf(
  hits: readonly RankedHits[],
  { task, resamples = DEFAULT_RESAMPLES }: ScoreOptions,
  stats: Readonly<Record<string, number>>,
  wanted: Readonly<Record<string, Resampled>>,
): { readonly intervals: Intervals; readonly resamples: Float64Array } {
  const size = hits[0]?.positives.length ?? 0;
  const scorers = Object.values(wanted).map(({ interpolation, thresholds }) => ({
    scorers: [resampledAp(hits, interpolation, thresholds)],
    sizes: [size],
  }));
  const drawn = bootstrapValues(scorers, resampleRng(0, task), resamples);
  const entries = Object.keys(wanted).map((name, m) => {
    return [name, percentileInterval(drawn[m]!, { value: stats[name]!, bounds: [0, 1] })] as const;
  });
  return { intervals: Object.fromEntries(entries), resamples: drawn[0]! };
}

/** COCOeval's −1 and VOC's NaN are a score that does not exist. */
const valuesOf = (stats: Readonly<Record<string, number>>, intervals: Intervals): Record<string, MetricValue> =>
  Object.fromEntries(
    Object.entries(stats).map(([name, value]): [string, MetricValue] => {
      const isDefined = value >= 0;
      const interval = (isDefined && intervals[name]) || { low: null, high: null };
      return [
        name,
        {
          value: isDefined ? value : null,
          ...interval,
          higherIsBetter: true,
          ...(!isDefined && { note: 'no object of this kind' }),
        },
      ];
    }),
  );
