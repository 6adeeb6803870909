/** Value of a set of scores: the task's primary metric, for events under the best of the post-processing settings. */
import type { TaskEvent } from '@unlabel/core';
import { eventMetricOf, isEventMetric } from '../metrics/events/table.ts';
import { eventsOfFrames, postprocessingGrid, type PostProcessing } from '../metrics/events/post-processing.ts';
import { metricOf } from '../metrics/table.ts';
import type { FitInput, FrameIndex, ProbeSplit } from '../protocol-types.ts';

export interface Judgement {
  /** As logged: NaN stays NaN. */
  readonly value: number;
  readonly postProcessing?: PostProcessing;
}

export interface Judge {
  readonly higherIsBetter: boolean;
  /** @param scores [rows, C] of the validation rows */
  judge(scores: Float64Array): Judgement;
}

/** The primary metric on the validation split. */
export function createJudge({ primary, valid, classes, vocabulary, evaluationParams }: FitInput): Judge {
  if (!isEventMetric(primary)) {
    const metric = metricOf(primary);
    return {
      higherIsBetter: metric.higherIsBetter,
      judge: (scores) => ({ value: metric.compute({ scores, labels: valid.labels, classes, vocabulary }) }),
    };
  }
  const metric = eventMetricOf(primary);
  const grid = postprocessingGrid(evaluationParams);
  const worst = metric.higherIsBetter ? -Infinity : Infinity;
  return {
    higherIsBetter: metric.higherIsBetter,
    judge(scores) {
      let best: Judgement & { readonly chosenBy: number } = { value: NaN, chosenBy: worst };
      for (const postProcessing of grid) {
        const estimated = eventsOfSplit(scores, valid, classes, postProcessing);
        const pairs = estimated.map((events, i) => ({ reference: valid.frames!.events[i]!, estimated: events }));
        const { value } = metric.compute(pairs);
        // An undefined score counts as 0 when settings are compared, and is logged as it is.
        const chosenBy = Number.isNaN(value) ? 0 : value;
        const isBetter = metric.higherIsBetter ? chosenBy > best.chosenBy : chosenBy < best.chosenBy;
        if (isBetter) best = { value, chosenBy, postProcessing };
      }
      return { value: best.value, postProcessing: best.postProcessing! };
    },
  };
}

/** Events of each file of a split from the scores of its frames [rows, C]. */
export function eventsOfSplit(
  scores: Float64Array,
  { files, frames }: ProbeSplit,
  classes: number,
  settings: PostProcessing,
): TaskEvent[][] {
  const { offsets, timestamps } = frames as FrameIndex; // event tasks have them; checked when the run starts
  return files.map((_, i) => {
    const [from, to] = [offsets[i]!, offsets[i + 1]!];
    return eventsOfFrames(
      scores.subarray(from * classes, to * classes),
      timestamps.subarray(from, to),
      classes,
      settings,
    );
  });
}
