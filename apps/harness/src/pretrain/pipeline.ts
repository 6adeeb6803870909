/** Batches made ahead of the step by worker threads, handed out in order. Counts how long the step had to wait. */
import { Worker } from 'node:worker_threads';
import { DataError, type NdArray } from '@unlabel/core';
import type { BatchReply, BatchRequest, ViewWorkerData } from './view-worker.ts';

export interface PipelineOptions extends ViewWorkerData {
  readonly batchSize: number;
  readonly firstStep: number;
  readonly steps: number;
  readonly workers: number;
  /** Batches made ahead. */
  readonly prefetch: number;
}

export interface Pipeline {
  /** The arrays of `step`; steps must be asked for in order. */
  next(step: number): Promise<Readonly<Record<string, NdArray>>>;
  /** Seconds `next` has waited, the first batch apart. */
  readonly waited: number;
  close(): Promise<void>;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  const { batchSize, firstStep, steps, prefetch, ...data } = options;
  const ready = new Map<number, BatchReply>();
  let wake: (() => void) | undefined;
  let failure: Error | undefined;
  let asked = firstStep;
  let waited = 0;

  const workers = Array.from({ length: Math.max(1, options.workers) }, () => {
    const worker = new Worker(new URL('./view-worker.ts', import.meta.url), {
      workerData: { ...data } satisfies ViewWorkerData,
      execArgv: ['--conditions=@unlabel/source'],
    });
    worker.on('message', (reply: BatchReply) => {
      ready.set(reply.step, reply);
      wake?.();
    });
    worker.on('error', (error: unknown) => {
      failure = error instanceof Error ? error : new Error(String(error));
      wake?.();
    });
    return worker;
  });

  const ask = (upTo: number): void => {
    for (; asked < Math.min(upTo, steps); asked++) {
      const request: BatchRequest = { step: asked, first: asked * batchSize, count: batchSize };
      workers[asked % workers.length]!.postMessage(request);
    }
  };

  return {
    async next(step) {
      ask(step + 1 + prefetch);
      const start = performance.now();
      while (!ready.has(step)) {
        if (failure) throw new DataError(`a data worker failed: ${failure.message}`, { cause: failure });
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (step > firstStep) waited += (performance.now() - start) / 1000;
      const reply = ready.get(step)!;
      ready.delete(step);
      if ('error' in reply) throw new DataError(`step ${step}: ${reply.error}`);
      return reply.arrays;
    },
    get waited() {
      return waited;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
