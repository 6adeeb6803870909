/** The table of scene metrics by HEAR's names. A new metric is one file and one line here. */
import { ConfigError, unknownName, type MetricName } from '@unlabel/core';
import { eventMetrics, isEventMetric } from './events/table.ts';
import { chromaAccuracy, pitchAccuracy, top1Accuracy } from './accuracy.ts';
import { meanAveragePrecision } from './map.ts';
import type { Metric } from './metric.ts';
import { aucroc, dPrime } from './roc.ts';
import { vocMeanAp } from './voc-mean-ap.ts';

/** Metrics of one vector of scores a clip. Event metrics compare lists of events and have a table of their own shape. */
export type SceneMetricName = Exclude<MetricName, `event_${string}` | `segment_${string}`>;

export const metrics: Readonly<Record<SceneMetricName, Metric>> = {
  top1_acc: top1Accuracy,
  pitch_acc: pitchAccuracy,
  chroma_acc: chromaAccuracy,
  mAP: meanAveragePrecision,
  voc_ap: vocMeanAp,
  aucroc,
  d_prime: dPrime,
};

export const isSceneMetric = (name: string): name is SceneMetricName => Object.hasOwn(metrics, name);

/**
 * The scene metric called `name`.
 * @throws ConfigError naming the metrics there are
 */
export function metricOf(name: string): Metric {
  if (isSceneMetric(name)) return metrics[name];
  throw new ConfigError(unknownName('metric', name, Object.keys(metrics)));
}

/**
 * Direction and range of any metric, of scenes or of events.
 * @throws ConfigError naming the metrics there are
 */
export function metricInfo(name: string): Pick<Metric, 'higherIsBetter' | 'bounds'> {
  if (isSceneMetric(name)) return metrics[name];
  const event = isEventMetric(name) ? eventMetrics[name] : undefined;
  if (event) return event;
  throw new ConfigError(unknownName('metric', name, [...Object.keys(metrics), ...Object.keys(eventMetrics)]));
}
