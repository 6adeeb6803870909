/** `unlabel few-shot MODEL…`: N-way K-shot episodes on frozen embeddings, the same ones for every model. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseBytes } from '../evaluate/memory.ts';
import {
  examples,
  numberList,
  positiveInt,
  withDisplay,
  withEngine,
  withForeign,
  withSeed,
  withWorkers,
  type EngineCliOptions,
} from '../options.ts';

export interface FewShotCliOptions extends EngineCliOptions {
  readonly tasks: string;
  readonly only?: string;
  readonly out: string;
  readonly preset: string;
  readonly ways?: number;
  readonly shots?: readonly number[];
  readonly queries?: number | 'shots';
  readonly episodes?: number;
  readonly classifiers?: string;
  readonly classes?: string;
  readonly seconds?: string;
  readonly reference?: string;
  readonly rerun: string;
  readonly seed: number;
  readonly memory?: number;
  readonly cache?: string;
  readonly workers?: number;
  readonly display?: string;
  readonly weights?: string;
  readonly python?: string;
  readonly timeout?: number;
}

export function register(program: Command): void {
  const command = program
    .command('few-shot <models...>')
    .description('compare models on N-way K-shot episodes; the same command resumes')
    .requiredOption('--tasks <dir|glob|suite>', 'labelled tasks, as for `unlabel eval`')
    .option('--only <glob>', 'tasks whose id matches, e.g. "fluid-*"')
    .option('-o, --out <dir>', 'where results, class splits and embeddings go', 'out/few-shot')
    .option('--preset <id>', 'default, metaaudio or mt-slvr; the options below override it', 'default')
    .option('--ways <n>', 'classes an episode', positiveInt)
    .option('--shots <list>', 'labelled clips a class, e.g. 1,5', numberList)
    .option('--queries <n|shots>', 'tested clips a class, or as many as there are shots', queries)
    .option('--episodes <n>', 'episodes of each kind', positiveInt)
    .option('--classifiers <list>', 'of centroid, cosine, l2-centroid, cl2n, logistic, sgd-logistic')
    .option(
      '--classes <all|shares|file>',
      'tested classes: all, the last of shares such as 70/10/20 (drawn once and kept in --out), or a JSON file with train, valid, test',
    )
    .option('--seconds <s|none>', 'length of windows that clips are cut into or repeated to; none: clips as they are')
    .option('--reference <model>', 'model that the others are compared with (default: the first)')
    .option('--memory <size>', 'of all workers for audio and activations (default: half of what is free)', parseBytes)
    .option(
      '--cache <dir>',
      'where embeddings, resampled audio and file hashes go, e.g. the --out of `unlabel eval` (default: --out)',
    )
    .addOption(
      new Option('--rerun <when>', 'results that exist: keep (missing) or make again (always)')
        .choices(['missing', 'always'])
        .default('missing'),
    )
    .addHelpText(
      'after',
      `
Episodes are drawn from --seed and the clips alone, so that all models and classifiers meet the same ones. Two intervals: over episodes,
as papers print it, and with the choice of classes, which no number of episodes makes narrower.
${examples([
  'unlabel few-shot out/mine out/mine@init logmel-stats --tasks quickstart',
  'unlabel few-shot out/mine logmel-stats --tasks ~/hear/tasks/esc50-v2.0.0-full --preset metaaudio',
  'unlabel few-shot out/mine --tasks quickstart --ways 5 --shots 1,5 --queries 1 --classifiers cl2n,logistic',
])}`,
    );
  withDisplay(withWorkers(withSeed(withEngine(withForeign(command))))).action(
    async (models: string[], options: FewShotCliOptions) => {
      const { runFewShot } = await import('../few-shot/run.ts');
      await runFewShot(models, options);
    },
  );
}

function queries(text: string): number | 'shots' {
  if (text === 'shots') return 'shots';
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number ≥ 1, or shots.');
  return value;
}
