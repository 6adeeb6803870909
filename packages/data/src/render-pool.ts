/** Renders many recordings on worker threads. */
import { Worker } from 'node:worker_threads';
import { DataError } from '@unlabel/core';
import type { RenderJob, RenderResult } from './render.ts';
import type { WorkerAnswer } from './render-worker.ts';

const isSource = import.meta.url.endsWith('.ts');

/**
 * Runs all jobs on `threads` workers. Results arrive in any order; what is written does not depend on it.
 * @param onResult called for each job as it ends
 * @throws DataError of the first job that fails; the others are given up
 */
export async function renderAll(
  jobs: readonly RenderJob[],
  threads: number,
  onResult: (result: RenderResult) => void,
): Promise<void> {
  // long jobs first, so that no thread is left with one at the end
  const queue = [...jobs].sort((a, b) => (b.recording.range?.length ?? 1e9) - (a.recording.range?.length ?? 1e9));
  let next = 0;
  const workers: Worker[] = [];
  const runWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(isSource ? './render-worker.ts' : './render-worker.js', import.meta.url), {
        execArgv: isSource ? ['--conditions=@unlabel/source'] : [],
      });
      workers.push(worker);
      const give = (): void => {
        const job = queue[next++];
        if (job) worker.postMessage(job);
        else resolve();
      };
      worker.on('message', (answer: WorkerAnswer) => {
        if ('fault' in answer) return reject(answer.isOurs ? new DataError(answer.fault) : new Error(answer.fault));
        onResult(answer.result);
        give();
      });
      worker.on('error', reject);
      worker.on('exit', (code) =>
        reject(new Error(`a worker thread ended with code ${code} before its work was done`)),
      );
      give();
    });
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(threads, jobs.length)) }, runWorker));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
