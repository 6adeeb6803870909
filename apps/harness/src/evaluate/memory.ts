/** The memory that evaluation may take, and sizes as people write them. */
import { freemem, totalmem } from 'node:os';
import { InvalidArgumentError } from 'commander';

/** A quarter of the machine, at most half of what is free now: the rest is the files' cache and the probes'. */
export const freeMemory = (): number => Math.floor(Math.min(totalmem() / 4, Math.max(freemem() / 2, 2 ** 28)));

const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** `4G`, `800M`, `1.5GiB`, bytes without a unit. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * units[match[2]!.toLowerCase()]! : NaN;
  if (!Number.isFinite(bytes) || bytes < 2 ** 20)
    throw new InvalidArgumentError('expected a size of 1M or more, such as 800M or 4G.');
  return Math.floor(bytes);
}

/** `1.5 GB`: powers of ten, as disks are sold. */
export function showBytes(bytes: number): string {
  const steps = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(steps.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${(bytes / 1000 ** step).toFixed(step < 2 ? 0 : 1)} ${steps[step]}`;
}
