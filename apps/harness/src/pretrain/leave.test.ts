import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { leave } from './leave.ts';

/** Says `begun` when asked for work, `done` when that is done, and ends when told to. */
const program = `
const { parentPort } = require('node:worker_threads');
let work = Promise.resolve();
parentPort.on('message', (message) => {
  if (message.close) return void work.then(() => parentPort.close());
  parentPort.postMessage('begun');
  work = new Promise((resolve) => setTimeout(resolve, 100)).then(() => parentPort.postMessage('done'));
});
`;

test('a worker finishes what it is at before it ends', async () => {
  const worker = new Worker(program, { eval: true });
  const said: unknown[] = [];
  worker.on('message', (message) => said.push(message));
  worker.postMessage({ work: true });
  await once(worker, 'message');
  const ended = once(worker, 'exit');
  await leave(worker);
  expect(said).toEqual(['begun', 'done']);
  expect(await ended).toEqual([0]); // 1 after terminate
});

test('a worker that has ended, or fails while it ends, is not waited for', async () => {
  const gone = new Worker('', { eval: true });
  await once(gone, 'exit');
  await leave(gone);
  const failing = new Worker("require('node:worker_threads').parentPort.on('message', () => { throw new Error('no') })", { eval: true }); // prettier-ignore
  failing.on('error', () => {});
  await leave(failing);
  expect(failing.threadId).toBe(-1);
});
