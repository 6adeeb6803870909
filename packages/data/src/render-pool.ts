/** Renders many recordings in parallel. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DataError } from '@unlabel/core';
import type { RenderJob, RenderResult } from './render.ts';
import type { WorkerAnswer } from './render-worker.ts';

const isSource = import.meta.url.endsWith('.ts');
const workerFile = fileURLToPath(new URL(isSource ? './render-worker.ts' : './render-worker.js', import.meta.url));

/**
 * Options of the worker's Node. Processes rather than threads, so that the collector can be chosen: the decoders drop 17 MB of
 * WebAssembly memory a file, and collecting that with helper threads costs a quarter of all time when every core is busy.
 */
const execArgv = [...(isSource ? ['--conditions=@unlabel/source'] : []), '--single-threaded-gc'];

/**
 * Runs all jobs on `workers` processes. Results arrive in any order; what is written does not depend on it.
 * @param onResult called for each job as it ends
 * @throws DataError of the first job that fails; the others are given up
 */
export async function renderAll(
  jobs: readonly RenderJob[],
  workers: number,
  onResult: (result: RenderResult) => void,
): Promise<void> {
  // long jobs first, so that no worker is left with one at the end
  const queue = [...jobs].sort((a, b) => (b.recording.range?.length ?? 1e9) - (a.recording.range?.length ?? 1e9));
  let next = 0;
  const children: ChildProcess[] = [];
  const runWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(workerFile, { execArgv, serialization: 'advanced' });
      children.push(child);
      const give = (): void => {
        const job = queue[next++];
        if (job) child.send(job);
        else resolve();
      };
      child.on('message', (answer: WorkerAnswer) => {
        if ('fault' in answer) return reject(answer.isOurs ? new DataError(answer.fault) : new Error(answer.fault));
        onResult(answer.result);
        give();
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        reject(new Error(`a worker process ended (${signal ?? `code ${code}`}) before its work was done`));
      });
      give();
    });
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, jobs.length)) }, runWorker));
  } finally {
    for (const child of children) child.kill();
  }
}
