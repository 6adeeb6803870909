/** A worker thread that makes batches: positions in, stacked named arrays out. */
import { parentPort, workerData } from 'node:worker_threads';
import type { NdArray } from '@unlabel/core';
import type { Targets } from './targets.ts';
import { createRowMaker, type RowRequest, type ViewWorkerData } from './view-rows.ts';

export type PoolMessage = { readonly id: number; readonly rows: RowRequest } | { readonly targets: Targets };

export type BatchReply =
  | { readonly id: number; readonly arrays: Readonly<Record<string, NdArray>> }
  | { readonly id: number; readonly error: string };

const rows = await createRowMaker(workerData as ViewWorkerData);
parentPort!.on('message', (message: PoolMessage) => {
  if ('targets' in message) {
    rows.setTargets(message.targets);
    return;
  }
  const { id } = message;
  rows.make(message.rows).then(
    (arrays) => {
      const buffers = Object.values(arrays).map((array) => array.data.buffer as ArrayBuffer);
      parentPort!.postMessage({ id, arrays } satisfies BatchReply, buffers);
    },
    (error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      parentPort!.postMessage({ id, error: text } satisfies BatchReply);
    },
  );
});
