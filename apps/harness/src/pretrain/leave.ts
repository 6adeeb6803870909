/** How worker threads of training end: by themselves, with nothing of theirs half done. */
import type { Worker } from 'node:worker_threads';

/** What a worker is sent when nothing more will be asked: it finishes what it is at and ends. */
export const closing = { close: true } as const;
export type Closing = typeof closing;

/** Seconds that a worker may take to finish. */
const patience = 10;

/**
 * Asks a worker to end and waits until it has. To stop a thread from outside while native code (an image being decoded, a decoder being
 * compiled) runs for it can bring down the process, so that is left for a worker that does not answer.
 */
export async function leave(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return; // it has ended: by an error, say
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => void worker.terminate(), 1000 * patience);
    worker.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    worker.postMessage(closing);
  });
}
