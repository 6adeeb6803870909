/** What a fitted probe makes of a test split: predictions a clip, and the values of the fold. */
import { ConfigError, type Prediction } from '@unlabel/core';
import { eventMetricOf, isEventMetric } from './metrics/events/table.ts';
import { metricOf } from './metrics/table.ts';
import { ignoredOf } from './bootstrap.ts';
import type { Evaluated, FittedProbe, ProbeSplit } from './protocol-types.ts';

export interface FoldOutcome {
  readonly fold: number;
  /** Test clips. */
  readonly n: number;
  /** By metric; event metrics also by part, `<metric>_precision`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The training loss on the test clips, of protocols that have one. */
  readonly loss: number | null;
  /** Fitting and scoring. */
  readonly seconds: number;
}

export async function evaluateSplit(probe: FittedProbe, split: ProbeSplit): Promise<Evaluated> {
  if (probe.evaluate) return probe.evaluate(split);
  if (probe.scores) return { scores: probe.scores(split) };
  throw new ConfigError('a protocol gave a probe that cannot score');
}

export function predictionsOf(
  fold: number,
  split: ProbeSplit,
  { scores, events }: Evaluated,
  classes: number,
): Prediction[] {
  return split.files.map((file, i) => {
    const labels = [...split.labels[i]!];
    const ignored = split.ignored?.[i];
    if (events) {
      const found = { reference: [...split.frames!.events[i]!], estimated: [...events[i]!] };
      return { fold, file, labels, scores: [], events: found };
    }
    const left = ignored && ignored.length > 0 ? { ignored: [...ignored] } : {};
    return { fold, file, labels, ...left, scores: Array.from(scores.subarray(i * classes, (i + 1) * classes)) };
  });
}

/** Values of one fold, with the parts of event metrics (`precision`, `recall`) as HEAR logs them. */
export function outcomeOf(
  predictions: readonly Prediction[],
  names: readonly string[],
  vocabulary: readonly string[],
): Pick<FoldOutcome, 'metrics'> {
  const values: Record<string, number> = {};
  for (const name of names) {
    if (isEventMetric(name)) {
      const { value, parts } = eventMetricOf(name).compute(predictions.map(({ events }) => events!));
      values[name] = value;
      for (const [part, of] of Object.entries(parts)) values[`${name}_${part}`] = of;
    } else {
      const scores = Float64Array.from(predictions.flatMap((one) => one.scores));
      const labels = predictions.map((one) => one.labels);
      values[name] = metricOf(name).compute({
        scores,
        labels,
        ignored: ignoredOf(predictions),
        classes: vocabulary.length,
        vocabulary,
      });
    }
  }
  return { metrics: values };
}
