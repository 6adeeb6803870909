/** Worker threads that run the compiled kernels on the shared heap. They sleep between jobs and never keep the process alive. */
import { Worker } from 'node:worker_threads';

export interface Workers {
  readonly count: number;
  /** Let the threads end. `control` is a view of the control block. */
  stop(control: Int32Array): Promise<void>;
}

/** What a worker does; plain JavaScript in a string, so that no file has to be found at run time. */
const program = `
const { workerData, parentPort } = require('node:worker_threads');
const { module, memory, control, scratch } = workerData;
const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() { throw new Error('kernel failed'); } } });
exports.setScratch(scratch);
parentPort.postMessage('ready');
exports.work(control);
`;

/** Start a worker for each scratch buffer and wait until all listen. */
export async function startWorkers(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  control: number,
  scratch: readonly number[],
): Promise<Workers> {
  const workers = await Promise.all(
    scratch.map(async (at) => {
      const worker = new Worker(program, {
        eval: true,
        workerData: { module, memory, control, scratch: at },
        execArgv: [],
        stdin: false,
      });
      await new Promise<void>((resolve, reject) => {
        worker.once('message', () => resolve());
        worker.once('error', reject);
      });
      worker.unref();
      return worker;
    }),
  );
  return {
    count: workers.length,
    stop: async (view) => {
      Atomics.store(view, STOP / 4, 1);
      Atomics.add(view, SIGNAL / 4, 1);
      Atomics.notify(view, SIGNAL / 4);
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Offsets in the control block, as in `assembly/threads.ts`. */
const SIGNAL = 128;
const STOP = 192;
