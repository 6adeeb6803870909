/** A worker thread that makes batches: positions in, stacked named arrays out. */
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, type NdArray } from '@unlabel/core';
import type { Closing } from './leave.ts';
import type { Targets } from './targets.ts';
import { createRowMaker, type RowRequest, type ViewWorkerData } from './view-rows.ts';

export type PoolMessage = { readonly id: number; readonly rows: RowRequest } | { readonly targets: Targets } | Closing;

export type BatchReply =
  | { readonly id: number; readonly arrays: Readonly<Record<string, NdArray>> }
  | { readonly id: number; readonly error: string };

const rows = await createRowMaker(workerData as ViewWorkerData);
const making = new Set<Promise<void>>();

async function make(id: number, request: RowRequest): Promise<void> {
  try {
    const arrays = await rows.make(request);
    const buffers = Object.values(arrays).map((array) => array.data.buffer as ArrayBuffer);
    parentPort!.postMessage({ id, arrays } satisfies BatchReply, buffers);
  } catch (error) {
    parentPort!.postMessage({ id, error: messageOf(error) } satisfies BatchReply);
  }
}

async function end(): Promise<void> {
  await Promise.all(making);
  rows.close();
  parentPort!.close();
}

parentPort!.on('message', (message: PoolMessage) => {
  if ('targets' in message) return rows.setTargets(message.targets);
  if ('close' in message) return void end();
  const task = make(message.id, message.rows);
  making.add(task);
  void task.finally(() => making.delete(task));
});
