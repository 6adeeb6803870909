/**
 * Our side of a benchmark: a process that does one repetition of a named work for each line it reads, so that repetitions of
 * ours and of a peer alternate. The peers in `peers/` speak the same: first a line of JSON about the process, then for each
 * line read, the seconds of one repetition.
 */
import { createInterface } from 'node:readline';

/** One repetition; resolves to the seconds it took, without its preparation. */
export type Work = () => Promise<number>;

export async function serve(
  info: Readonly<Record<string, unknown>>,
  works: Readonly<Record<string, Work>>,
): Promise<void> {
  process.stdout.write(`${JSON.stringify(info)}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const work = works[line.trim()];
    if (work === undefined) throw new Error(`no work "${line.trim()}": expected ${Object.keys(works).join(', ')}`);
    process.stdout.write(`${JSON.stringify(await work())}\n`);
  }
}

/** Seconds of one call. */
export async function timed(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}
