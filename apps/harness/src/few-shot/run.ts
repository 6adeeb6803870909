/** What `unlabel few-shot` does: preset and options, tasks and models, episodes, report. */
import { ConfigError } from '@unlabel/core';
import { fewShotPreset } from '@unlabel/probes';
import type { OpenedTask } from '@unlabel/tasks';
import type { FewShotCliOptions } from '../commands/few-shot.ts';
import { createDisplay, type Display } from '../display/display.ts';
import { freeMemory } from '../evaluate/memory.ts';
import type { Rerun } from '../evaluate/result-file.ts';
import { openTasks } from '../evaluate/run.ts';
import { describeModel } from '../models/describe.ts';
import { parseModel } from '../models/resolve.ts';
import { engineOptionsOf, workersOf } from '../options.ts';
import { lockDir } from '../run-dir.ts';
import { parseClassChoice } from './classes.ts';
import { checkClassifiers, fewShot, type FewShotOptions } from './few-shot.ts';
import { rowsOf, tableText, writeReport } from './report.ts';

export async function runFewShot(models: readonly string[], cli: FewShotCliOptions): Promise<void> {
  const display = createDisplay(cli.display);
  const preset = fewShotPreset(cli.preset);
  const refs = models.map((model) => parseModel(model, cli.seed, cli));
  const at = cli.reference === undefined ? 0 : models.indexOf(cli.reference);
  if (at < 0)
    throw new ConfigError(`--reference ${cli.reference}: is none of the models; expected one of ${models.join(', ')}`);
  const classifiers = cli.classifiers?.split(',').map((id) => id.trim()) ?? preset.classifiers;
  checkClassifiers(classifiers);
  const seconds = cli.seconds === undefined ? preset.seconds : cli.seconds === 'none' ? null : Number(cli.seconds);
  if (seconds !== null && !(seconds > 0))
    throw new ConfigError(`--seconds ${cli.seconds}: expected seconds above 0, or none`);
  const queries = cli.queries ?? preset.queries;
  const options: FewShotOptions = {
    models: refs,
    tasks: scenes(await openTasks(cli.tasks, cli.only, workersOf(cli), display), display),
    out: cli.out,
    cache: cli.cache ?? cli.out,
    ways: cli.ways ?? preset.ways,
    shots: cli.shots ?? preset.shots,
    queries: (shots) => (queries === 'shots' ? shots : queries),
    episodes: cli.episodes ?? preset.episodes,
    classifiers,
    classes: cli.classes === undefined ? preset.classes : parseClassChoice(cli.classes),
    seconds,
    seed: cli.seed,
    rerun: cli.rerun as Rerun,
    memory: cli.memory ?? freeMemory(),
    workers: workersOf(cli),
    engine: { ...engineOptionsOf(cli), threads: cli.threads ?? 1 },
    display,
  };
  const unlock = await lockDir(options.out);
  try {
    const runs = await fewShot(options);
    const reference = await describeModel(refs[at]!);
    const rows = await rowsOf(runs, reference.fingerprint);
    await writeReport(options.out, rows, reference.id);
    process.stdout.write(tableText(rows, reference.id));
    process.stdout.write(`few-shot.csv, .json and .svg, and every result with its episodes, are in ${options.out}\n`);
  } finally {
    await unlock();
    display.close();
  }
}

/** Tasks whose clips have labels of their own. */
function scenes(tasks: readonly OpenedTask[], display: Display): OpenedTask[] {
  const kept = tasks.filter(({ metadata }) => metadata.embedding_type === 'scene');
  const left = tasks.filter((task) => !kept.includes(task)).map(({ id }) => id);
  if (kept.length === 0)
    throw new ConfigError(`${left.join(', ')}: about events in clips; episodes need one label a clip`);
  if (left.length > 0) display.warn(`${left.join(', ')}: about events in clips, left out`);
  return kept;
}
