/** Rate and time left of a task, from a moving window so that a slow start does not spoil the estimate. */

export interface Estimate {
  /** Units a second; 0 before it is known. */
  readonly rate: number;
  /** Seconds left; undefined before it is known. */
  readonly eta: number | undefined;
  readonly elapsed: number;
}

const windowSeconds = 20;

export function createEstimator(total: number | undefined, now: () => number = () => performance.now() / 1000) {
  const start = now();
  let marks: { time: number; done: number }[] = [{ time: start, done: 0 }];
  return (done: number): Estimate => {
    const time = now();
    if (done < (marks.at(-1)?.done ?? 0)) marks = [{ time, done }];
    marks.push({ time, done });
    while (marks.length > 2 && time - marks[1]!.time > windowSeconds) marks.shift();
    const first = marks[0]!;
    const rate = time > first.time ? (done - first.done) / (time - first.time) : 0;
    const eta = total !== undefined && rate > 0 ? (total - done) / rate : undefined;
    return { rate, eta, elapsed: time - start };
  };
}

/** `1:05`, `2:03:04`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** `12.3 clips/s`, `1.2 k clips/s`, `4.0 s/step`. */
export function rateText(rate: number, unit: string): string {
  if (!(rate > 0)) return '';
  if (rate < 0.5) return `${(1 / rate).toFixed(1)} s/${unit.replace(/s$/, '')}`;
  return rate >= 1000 ? `${(rate / 1000).toFixed(1)} k ${unit}/s` : `${rate.toFixed(rate < 10 ? 1 : 0)} ${unit}/s`;
}
