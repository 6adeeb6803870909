/** A worker thread that fills chunks of the spectrogram cache. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '@unlabel/core';
import { fillChunk, type ChunkJob } from './cache-chunk.ts';
import type { Closing } from './leave.ts';

parentPort!.on('message', (job: ChunkJob | Closing) => {
  if ('close' in job) return parentPort!.close();
  void fillChunk(job).then(
    () => parentPort!.postMessage({}),
    (error: unknown) => parentPort!.postMessage({ error: messageOf(error) }),
  );
});
