/** The table of event metrics by HEAR's names. A new one is one line here. */
import { ConfigError, unknownName } from '@unlabel/core';
import { eventFMeasure } from './event-f-measure.ts';
import type { EventMetric } from './event-metric.ts';
import { segmentErrorRate } from './segment-error-rate.ts';

export const eventMetrics: Readonly<Record<string, EventMetric>> = {
  event_onset_200ms_fms: eventFMeasure({ onset: 0.2 }),
  event_onset_50ms_fms: eventFMeasure({ onset: 0.05 }),
  event_onset_offset_50ms_20perc_fms: eventFMeasure({ onset: 0.05, offsetShare: 0.2 }),
  segment_1s_er: segmentErrorRate,
};

export const isEventMetric = (name: string): boolean => Object.hasOwn(eventMetrics, name);

/**
 * The event metric called `name`.
 * @throws ConfigError naming the metrics there are
 */
export function eventMetricOf(name: string): EventMetric {
  const metric = isEventMetric(name) ? eventMetrics[name] : undefined;
  if (metric) return metric;
  throw new ConfigError(unknownName('event metric', name, Object.keys(eventMetrics)));
}
