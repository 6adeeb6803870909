/** Our side of `front-end`: files of a folder → log-mel, in this thread, or in worker threads on every core. */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createFrontEnd, frontEnds, loadAudio } from '@unlabel/audio';
import { serve, timed } from '../lib/serve.ts';

const frontEnd = createFrontEnd(frontEnds['byol-a']);

async function process16k(files: readonly string[]): Promise<number> {
  let values = 0;
  for (const file of files) {
    const { audio } = await loadAudio(file, { sampleRate: frontEnd.sampleRate });
    values += frontEnd.apply(audio).data.length;
  }
  return values;
}

if (isMainThread) {
  const folder = process.argv[2]!;
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.wav'))
    .toSorted()
    .map((name) => join(folder, name));
  const cores = availableParallelism();
  const workers = Array.from({ length: cores }, (_, i) => {
    const share = files.filter((_file, j) => j % cores === i);
    return new Worker(fileURLToPath(import.meta.url), { workerData: share });
  });
  const runWorker = (worker: Worker): Promise<unknown> =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.postMessage('go');
    });
  await serve(
    { node: process.version, cores },
    {
      'one-thread': () => timed(() => process16k(files)),
      'all-cores': () => timed(() => Promise.all(workers.map(runWorker))),
    },
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
} else {
  parentPort!.on('message', () => {
    void process16k(workerData as string[]).then((values) => parentPort!.postMessage(values));
  });
}
