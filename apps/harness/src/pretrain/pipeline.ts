/** Batches made ahead of the step by worker threads, handed out in order. Counts how long the step had to wait. */
import { DataError, messageOf } from '@unlabel/core';
import type { Arrays, ViewPool } from './view-pool.ts';

export interface PipelineOptions {
  readonly pool: ViewPool;
  readonly batchSize: number;
  readonly firstStep: number;
  /** Batches made ahead. */
  readonly prefetch: number;
}

export interface Pipeline {
  /** The arrays of `step`; steps must be asked for in order. Nothing is made ahead from step `until` on. */
  next(step: number, until: number): Promise<Arrays>;
  /** Seconds `next` has waited, the first batch apart. */
  readonly waited: number;
}

export function createPipeline({ pool, batchSize, firstStep, prefetch }: PipelineOptions): Pipeline {
  const ahead = new Map<number, Promise<Arrays>>();
  let asked = firstStep;
  let waited = 0;
  return {
    async next(step, until) {
      for (; asked < Math.min(step + 1 + prefetch, until); asked++) {
        ahead.set(asked, pool.request({ first: asked * batchSize, count: batchSize }));
      }
      const start = performance.now();
      const arrays = await ahead.get(step)!.catch((cause: unknown) => {
        throw new DataError(`step ${step}: ${messageOf(cause)}`, { cause });
      });
      if (step > firstStep) waited += (performance.now() - start) / 1000;
      ahead.delete(step);
      return arrays;
    },
    get waited() {
      return waited;
    },
  };
}
