/** What `npm start` runs: data → pre-training → evaluation → board. Each part resumes, so the same command goes on. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildLeaderboards } from '@unlabel/leaderboard';
import type { QuickstartOptions } from '../commands/quickstart.ts';
import { createDisplay } from '../display/display.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { freeMemory } from '../evaluate/memory.ts';
import { writeTaskProjection } from '../evaluate/projection.ts';
import { openTasks } from '../evaluate/run.ts';
import { parseModel } from '../models/resolve.ts';
import { engineOptionsOf, workersOf } from '../options.ts';
import { pretrain } from '../pretrain/run.ts';
import { lockDir } from '../run-dir.ts';
import { buildData } from './build-data.ts';

const method = 'delores-s';
const dataDir = 'out/data';
/** The probe curve of the run: a small task, a few points. */
const probedTask = 'gm-drums-v1-full';
const probedEvery = 25;

export async function quickstart(options: QuickstartOptions): Promise<void> {
  const display = createDisplay(options.display);
  const start = performance.now();
  const workers = workersOf(options);
  const engine = engineOptionsOf(options);
  const unlock = await lockDir(options.out);
  try {
    await buildData({ suite: 'quickstart', out: dataDir, workers, display });
    const run = join(options.out, method);
    const probed = join(dataDir, 'tasks', probedTask);
    const trained = await pretrain({
      method,
      preset: 'quickstart',
      overrides: {},
      data: [join(dataDir, 'pretrain', 'disjoint.jsonl')],
      seed: options.seed,
      out: run,
      engine,
      workers,
      checkpointSeconds: 20,
      display,
      ...(existsSync(probed) && { probe: { taskDir: probed, everySteps: probedEvery } }),
    });
    const opened = await openTasks(join(dataDir, 'tasks'), undefined, workers, display);
    const tasks = opened.filter(({ metadata }) => metadata.embedding_type === 'scene'); // drum-events is for event protocols
    const models = [run, `${run}@init`, 'logmel-stats', 'mfcc-stats', 'chance'].map((text) =>
      parseModel(text, options.seed),
    );
    await evaluate({
      models,
      tasks,
      out: options.out,
      protocol: 'linear/v1',
      seeds: [options.seed],
      memory: freeMemory(),
      rerun: 'missing',
      workers,
      engine: { ...engine, threads: 1 },
      display,
    });
    await writeTaskProjection(options.out, models[0]!, tasks, undefined);
    const [board] = await buildLeaderboards({
      dirs: [options.out],
      out: options.out,
      title: 'DeLoRes-S pre-trained here, beside its baselines',
    });
    for (const warning of board!.warnings) display.warn(warning);
    display.close();
    const minutes = ((performance.now() - start) / 60000).toFixed(1);
    process.stdout.write(
      `\n${board!.table}\n\n` +
        `Pre-trained ${trained.steps} steps in ${trained.seconds.toFixed(0)} s on ${trained.engine.engine} ` +
        `(${(100 * trained.waitingShare).toFixed(1)} % waiting for data); everything in ${minutes} min.\n` +
        `The board, sortable:  ${pathToFileURL(join(options.out, 'leaderboard.html')).href}\n` +
        `For programs:         ${options.out}/leaderboard.csv, leaderboard.json\n` +
        `The run:              ${run} (loss.svg, model/, log.jsonl)\n` +
        `Next:                 npx unlabel embed ${run} YOUR.wav -o embeddings.npy   ·   npx unlabel --help\n`,
    );
    if (!existsSync(join(options.out, 'leaderboard.html'))) process.exitCode = 1;
  } finally {
    await unlock();
    display.close();
  }
}
