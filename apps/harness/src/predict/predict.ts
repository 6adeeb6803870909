/** What `unlabel predict` does: HEAR's predictor on directories of embeddings, the training shared among workers. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseConfig, resultSchema, type Result } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import { isDivisible } from '@unlabel/probes';
import type { PredictOptions } from '../commands/predict.ts';
import { createDisplay } from '../display/display.ts';
import { createPool, type Pool } from '../evaluate/pool.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';
import { engineOptionsOf, workersOf } from '../options.ts';
import { lockDir } from '../run-dir.ts';
import { readEmbeddingDir } from './embedding-dir.ts';
import type { PredictJob } from './predict-job.ts';

export async function runPredict(dirs: readonly string[], options: PredictOptions): Promise<void> {
  const display = createDisplay(options.display);
  const unlock = await lockDir(options.out);
  const workers = workersOf(options);
  const pool = createPool(workers, { ...engineOptionsOf(options), threads: options.threads ?? 1 });
  let stop: (reason: Interrupted) => void = () => {};
  const stopped = new Promise<never>((_resolve, reject) => (stop = reject));
  stopped.catch(() => {}); // when everything ends first, nobody waits for it
  const interrupt = watchInterrupt(() => {
    display.line('stopping; finished grid points are kept');
    stop(new Interrupted(`stopped. To go on: ${commandLine()}`));
    pool.close();
  });
  try {
    for (const dir of dirs) await readEmbeddingDir(dir); // every fault before the first training
    const jobs = dirs.flatMap((dir) => (options.seeds ?? [options.seed]).map((seed) => jobOf(dir, seed, options)));
    const progress = display.task('predict', jobs.length, 'results');
    let done = 0;
    const results = Promise.all(
      jobs.map(async (job) => {
        const name = `${basename(job.dir)}, seed ${job.seed}`;
        if (options.rerun === 'always' || !existsSync(job.file)) {
          await fit(pool, job, workers, (text) => progress.update(done, `${name}: ${text}`));
        }
        progress.update(++done, name);
        return parseConfig(resultSchema, await readJson(job.file), job.file);
      }),
    );
    for (const result of await Promise.race([stopped, results])) process.stdout.write(scoreLine(result));
    progress.finish();
    process.stdout.write(`results in ${options.out}/results\n`);
  } finally {
    interrupt.release();
    pool.close();
    await unlock();
    display.close();
  }
}

function jobOf(dir: string, seed: number, options: PredictOptions): PredictJob {
  const path = resolve(dir);
  const model = options.name ?? basename(dirname(path));
  const grid = options.grid === 'default' ? '' : `.${options.grid}`;
  const name = `${basename(path)}.${options.protocol.replaceAll('/', '-')}${grid}.s${seed}.json`;
  return {
    kind: 'predict',
    dir: path,
    protocol: options.protocol,
    options: options.protocol.startsWith('hear-') ? { grid: options.grid } : {},
    seed,
    model,
    file: join(options.out, 'results', model, name),
  };
}

const sharesPerWorker = 4;

/** The grid in shares, then the folds that use its winner in shares, then the result from their pieces. */
async function fit(pool: Pool, job: PredictJob, workers: number, note: (text: string) => void): Promise<void> {
  const onProgress = (progress: number | string): void => note(String(progress));
  if (isDivisible(job.protocol)) {
    for (const stage of ['search', 'folds'] as const) {
      // More shares than workers: some points stop early, and a worker that is done takes the next share.
      const of = workers > 1 ? sharesPerWorker * workers : 1;
      const shares = Array.from({ length: of }, (_, index) => ({ index, of, stage }));
      await Promise.all(shares.map((share) => pool.run({ ...job, share }, false, onProgress)));
    }
  }
  await pool.run(job, true, onProgress);
}

function scoreLine({ model, task, primary, metrics, seed, n }: Result): string {
  const { value, low, high } = metrics[primary]!;
  const show = (one: number | null): string => (one === null ? '–' : one.toFixed(4));
  return `${model.id.padEnd(24)} ${task.id.padEnd(20)} ${primary.padEnd(22)} ${show(value)} [${show(low)}, ${show(high)}]  n ${n}, seed ${seed}\n`;
}
