/** `unlabel eval MODEL…`: embed tasks with frozen models, probe, score. */
import { Option, type Command } from 'commander';
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
import { parseBytes } from '../evaluate/memory.ts';

export interface EvalOptions extends EngineCliOptions {
  readonly tasks: string;
  readonly only?: string;
  readonly out: string;
  readonly protocol: string;
  readonly rerun: string;
  readonly seed: number;
  readonly seeds?: readonly number[];
  readonly folds?: readonly number[];
  readonly limit?: number;
  readonly memory?: number;
  readonly cache?: string;
  readonly dryRun?: boolean;
  readonly workers?: number;
  readonly display?: string;
  readonly weights?: string;
  readonly python?: string;
  readonly timeout?: number;
}

export function register(program: Command): void {
  const command = program
    .command('eval <models...>')
    .description('evaluate models on tasks; the same command resumes')
    .requiredOption(
      '--tasks <dir|glob|suite>',
      'a HEAR-style task directory, class folders, a VOC or COCO tree, a folder of them, those a pattern matches ("tasks/esc50*"), or an embedded suite (quickstart, images)',
    )
    .option('--only <glob>', 'tasks whose id matches, e.g. "fluid-*"')
    .option('-o, --out <dir>', 'where results and embeddings go', 'out/eval')
    .option(
      '--protocol <id>',
      'probe: linear/v1, hear-faithful/v1, detect/v1 (boxes), …; `unlabel ls protocols`',
      'linear/v1',
    )
    .option('--seeds <list>', 'probe seeds, one result each, e.g. 0,1,2 or 0-4 (default: --seed)', numberList)
    .option('--folds <list>', 'folds to use, from 0, e.g. 0,2: a partial result, never ranked', numberList)
    .option('--limit <n>', 'first clips of each split to use: a partial result, never ranked', positiveInt)
    .option(
      '--memory <size>',
      'of all workers for audio and activations, e.g. 4G (default: half of what is free)',
      parseBytes,
    )
    .option('--cache <dir>', 'where embeddings, resampled audio and file hashes go (default: --out)')
    .option('--dry-run', 'estimate time, memory and disk; evaluate nothing')
    .addOption(
      new Option('--rerun <when>', 'results that exist: make again when inputs changed (missing), never, always')
        .choices(['missing', 'never', 'always'])
        .default('missing'),
    )
    .addHelpText(
      'after',
      `
Writes out/results/<model>/<fingerprint>/<task>.<protocol>.s<seed>.json (scores, intervals, selection, timings, environment),
the test predictions beside it, and out/embeddings/ (shared by all probes, tasks and seeds). Ctrl-C stops; the same command goes on.
${examples([
  'unlabel eval out/mine --tasks "~/hear/tasks/esc50*" --dry-run',
  'unlabel eval out/mine logmel-stats chance --tasks ~/hear/tasks --only "esc50*"',
  'unlabel eval out/moco random:resnet18 color-stats --tasks VOCdevkit/VOC2007 --protocol voc07-svm/v1',
  'unlabel eval out/moco out/moco@init --tasks images --only "trees*" --protocol detect/v1',
  'unlabel eval features:official.npz --tasks VOCdevkit/VOC2007 --protocol voc07-svm/v1',
  'unlabel eval out/mine out/mine@init --tasks quickstart -o out/eval && unlabel leaderboard build out/eval -o out/board',
])}`,
    );
  withDisplay(withWorkers(withSeed(withEngine(withForeign(command))))).action(
    async (models: string[], options: EvalOptions) => {
      const { runEval } = await import('../evaluate/run.ts');
      await runEval(models, options);
    },
  );
}
