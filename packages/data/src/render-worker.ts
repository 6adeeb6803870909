/** Process that renders recordings: one job a message, one answer each. */
import { isUnlabelError, messageOf } from '@unlabel/core';
import { render, type RenderJob, type RenderResult } from './render.ts';

export type WorkerAnswer = { readonly result: RenderResult } | { readonly fault: string; readonly isOurs: boolean };

process.on('message', (job: RenderJob) => {
  void answer(job).then((message) => process.send?.(message));
});
process.on('disconnect', () => process.exit(0)); // the parent is gone: so is the reason to work

async function answer(job: RenderJob): Promise<WorkerAnswer> {
  try {
    return { result: await render(job) };
  } catch (error) {
    return { fault: messageOf(error), isOurs: isUnlabelError(error) };
  }
}
