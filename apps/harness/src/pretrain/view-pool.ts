/** Batches made by worker threads, asked one after the other, or in this thread. */
import { Worker } from 'node:worker_threads';
import { DataError, dataErrorOf, messageOf, type NdArray } from '@unlabel/core';
import { leave } from './leave.ts';
import type { Targets } from './targets.ts';
import { createRowMaker, type RowRequest, type ViewWorkerData } from './view-rows.ts';
import type { BatchReply, PoolMessage } from './view-worker.ts';

export type Arrays = Readonly<Record<string, NdArray>>;

export interface ViewPool {
  /** The rows stacked. Rejects with a DataError when a row or a worker fails. */
  request(rows: RowRequest): Promise<Arrays>;
  /** What rows asked for from now on see as their targets. */
  setTargets(targets: Targets): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (arrays: Arrays) => void;
  readonly reject: (error: Error) => void;
}

/** `threads` workers; 0 makes the batches in this thread, which for small ones on one core is less work than to start a worker. */
export function createViewPool(data: ViewWorkerData, threads: number): ViewPool {
  return threads === 0 ? poolOfThisThread(data) : poolOfWorkers(data, threads);
}

function poolOfThisThread(data: ViewWorkerData): ViewPool {
  const maker = createRowMaker(data);
  maker.catch(() => {}); // the first request tells
  const dataError = (cause: unknown): never => {
    throw dataErrorOf(cause);
  };
  return {
    request(rows) {
      const reply = maker.then((own) => own.make(rows)).catch(dataError);
      reply.catch(() => {}); // asked ahead: it may fail before anyone waits for it
      return reply;
    },
    setTargets: (targets) => void maker.then((own) => own.setTargets(targets)).catch(() => {}),
    close: () => maker.then((own) => own.close()).catch(() => {}),
  };
}

function poolOfWorkers(data: ViewWorkerData, threads: number): ViewPool {
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let failure: Error | undefined;

  const fail = (error: unknown): void => {
    failure ??= new DataError(`a data worker failed: ${messageOf(error)}`, { cause: error });
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  };
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL('./view-worker.ts', import.meta.url), {
      workerData: data,
      execArgv: ['--conditions=@unlabel/source'],
    });
    worker.on('message', (reply: BatchReply) => {
      const held = waiting.get(reply.id);
      waiting.delete(reply.id);
      if ('error' in reply) held?.reject(new DataError(reply.error));
      else held?.resolve(reply.arrays);
    });
    worker.on('error', fail);
    return worker;
  });
  const post = (worker: Worker, message: PoolMessage): void => worker.postMessage(message);

  return {
    request(rows) {
      const id = asked++;
      const reply = new Promise<Arrays>((resolve, reject) => {
        if (failure) return reject(failure);
        waiting.set(id, { resolve, reject });
        post(workers[id % workers.length]!, { id, rows });
      });
      reply.catch(() => {}); // asked ahead: it may fail before anyone waits for it
      return reply;
    },
    setTargets(targets) {
      for (const worker of workers) post(worker, { targets });
    },
    async close() {
      await Promise.all(workers.map(leave));
    },
  };
}
