/** Numbers as people read them, for the terminal and the page. */
import type { MetricValue } from '@unlabel/core';

/** Metrics that are not shares of one; they print as they are instead of in percent. */
const isShare = (metric: string): boolean => metric !== 'd_prime';

/** `71.2` (percent) or `1.54`; `–` when missing. */
export function formatScore(value: number | null | undefined, metric = 'mean'): string {
  if (value === null || value === undefined) return '–';
  return isShare(metric) ? (100 * value).toFixed(1) : value.toFixed(2);
}

/** Half the width of the interval in the unit of `formatScore`: `3.4`; empty when unknown. */
export function formatHalf({ low, high }: Pick<MetricValue, 'low' | 'high'>, metric = 'mean'): string {
  return low === null || high === null ? '' : formatScore((high - low) / 2, metric);
}

/** `+4.1`, `−0.3`. */
export function formatSigned(value: number | null, metric = 'mean'): string {
  if (value === null) return '–';
  const text = formatScore(Math.abs(value), metric);
  return `${Number(text) === 0 ? '±' : value > 0 ? '+' : '−'}${text}`;
}

/** `+4.1 [+2.9, +5.3]`. */
export function formatDifference(of: { value: number | null; low: number | null; high: number | null }): string {
  if (of.value === null) return '–';
  const interval = of.low === null || of.high === null ? '' : ` [${formatSigned(of.low)}, ${formatSigned(of.high)}]`;
  return formatSigned(of.value) + interval;
}

/** `3`, `1–2`, `–`. */
export function formatRank({
  value,
  low,
  high,
}: {
  value: number | null;
  low: number | null;
  high: number | null;
}): string {
  if (value === null) return '–';
  return low === null || high === null || low === high ? String(value) : `${value} (${low}–${high})`;
}

/** `5.3 M`, `812 k`, `0`. */
export function formatCount(n: number): string {
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e8 ? 0 : 1)} M`;
  return n >= 1e4 ? `${Math.round(n / 1e3)} k` : String(n);
}

/** `0.8 s`, `12 s`, `3.5 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds >= 120) return `${(seconds / 60).toFixed(1)} min`;
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}
