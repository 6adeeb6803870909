/** Thread that renders recordings: one job a message, one answer each. */
import { parentPort } from 'node:worker_threads';
import { isUnlabelError, messageOf } from '@unlabel/core';
import { render, type RenderJob, type RenderResult } from './render.ts';

export type WorkerAnswer = { readonly result: RenderResult } | { readonly fault: string; readonly isOurs: boolean };

parentPort?.on('message', (job: RenderJob) => {
  void answer(job);
});

async function answer(job: RenderJob): Promise<void> {
  try {
    const result = await render(job);
    parentPort?.postMessage(
      { result } satisfies WorkerAnswer,
      result.samples ? [result.samples.buffer as ArrayBuffer] : [],
    );
  } catch (error) {
    parentPort?.postMessage({ fault: messageOf(error), isOurs: isUnlabelError(error) } satisfies WorkerAnswer);
  }
}
