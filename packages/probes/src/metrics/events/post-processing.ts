/** From frame scores to events, as HEAR's predictor does (hear.md §7.1; heareval 2021.1.3 `event_predictions.py`). */
import { ConfigError, type TaskEvent } from '@unlabel/core';
import { z } from 'zod';
import { medianFilter } from './median-filter.ts';

export interface PostProcessing {
  /** Length of the median filter over time, in ms; 0 for none. */
  readonly medianFilterMs: number;
  /** Shortest event that is kept, in ms from its first frame to its last. */
  readonly minDuration: number;
}

/** Scores above this are active. */
const threshold = 0.5;

/**
 * Events of one file, in the order of their starts.
 * @param scores [T, C] row-major, in 0…1
 * @param timestamps frame centres in ms [T], in any order
 */
export function eventsOfFrames(
  scores: ArrayLike<number>,
  timestamps: ArrayLike<number>,
  classes: number,
  { medianFilterMs, minDuration }: PostProcessing,
): TaskEvent[] {
  const frames = timestamps.length;
  const order = Int32Array.from({ length: frames }, (_, t) => t).sort((a, b) => timestamps[a]! - timestamps[b]!);
  const time = Float64Array.from(order, (t) => timestamps[t]!);
  const width = filterWidth(time, medianFilterMs);
  const events: TaskEvent[] = [];
  const column = new Float64Array(frames);
  for (let label = 0; label < classes; label++) {
    let isAnyActive = false;
    for (let t = 0; t < frames; t++) {
      column[t] = scores[order[t]! * classes + label]!;
      isAnyActive ||= column[t]! > threshold;
    }
    // A median is one of its values, so a silent label stays silent: most labels of most files.
    if (!isAnyActive) continue;
    const smooth = width > 1 ? medianFilter(column, width) : column;
    for (let t = 0; t < frames; t++) {
      if (!(smooth[t]! > threshold)) continue;
      const first = t;
      while (t + 1 < frames && smooth[t + 1]! > threshold) t++;
      const [start, end] = [time[first]!, time[t]!];
      if (end - start >= minDuration) events.push({ label, start, end });
    }
  }
  return events.sort((a, b) => a.start - b.start);
}

/** Frames the median filter spans; ties round to even, as Python's `round`. */
function filterWidth(time: Float64Array, medianFilterMs: number): number {
  if (time.length < 2 || medianFilterMs === 0) return 0;
  const hop = (time[time.length - 1]! - time[0]!) / (time.length - 1);
  const width = medianFilterMs / hop;
  const rounded = Math.round(width);
  return rounded - width === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

const gridSchema = z.looseObject({
  event_postprocessing_grid: z
    .looseObject({
      median_filter_ms: z.array(z.number().nonnegative()).min(1).default([250]),
      min_duration: z.array(z.number().nonnegative()).min(1).default([125, 250]),
    })
    .optional(),
});

/**
 * The settings to try, from `evaluation_params` of a task's metadata, the larger first: of equal scores the first wins, which is
 * HEAR's rule (settings are sorted by falling score, then by falling setting). Without a grid, HEAR's own: 250 ms, 125 and 250 ms.
 * @throws ConfigError for a grid that is not two lists of numbers
 */
export function postprocessingGrid(evaluationParams: unknown): readonly PostProcessing[] {
  const parsed = gridSchema.safeParse(evaluationParams ?? {});
  if (!parsed.success) throw new ConfigError(`task_metadata.json: evaluation_params: ${z.prettifyError(parsed.error)}`);
  const { median_filter_ms: medians = [250], min_duration: durations = [125, 250] } =
    parsed.data.event_postprocessing_grid ?? {};
  return medians
    .flatMap((medianFilterMs) => durations.map((minDuration) => ({ medianFilterMs, minDuration })))
    .sort((a, b) => b.medianFilterMs - a.medianFilterMs || b.minDuration - a.minDuration);
}
