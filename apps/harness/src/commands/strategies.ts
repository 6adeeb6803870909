/** `unlabel strategies`: every way to combine methods, beside each other. */
import { InvalidArgumentError, type Command } from 'commander';
import {
  collect,
  examples,
  numberList,
  positiveInt,
  withDisplay,
  withEngine,
  withWorkers,
  type EngineCliOptions,
} from '../options.ts';

export interface StrategiesCliOptions extends EngineCliOptions {
  readonly stages: string;
  readonly data: string;
  readonly preset: string;
  readonly set?: string[];
  readonly seeds: number[];
  readonly steps: number;
  readonly decoderSteps: number;
  readonly betas?: number[];
  readonly rows?: string;
  readonly tasks?: string;
  readonly score?: string[];
  readonly workers?: number;
  readonly split: string;
  readonly out: string;
  readonly part?: string;
  readonly display?: string;
}

function betaList(text: string): number[] {
  const betas = text.split(',').map(Number);
  if (betas.every((beta) => beta > 0)) return betas;
  throw new InvalidArgumentError('expected numbers above 0, for example 0.1,10.');
}

export function register(program: Command): void {
  const command = program
    .command('strategies')
    .description(
      'compare every way to combine methods, with equal steps: on binaural scenes, or on tasks; the same command resumes',
    )
    .option('--stages <a,b,c>', 'methods', 'spatial-alignment,foreground-alignment,temporal-gap')
    .requiredOption(
      '--data <path>',
      'what to train on; scenes, as `unlabel data build binaural` writes them, are what is tested, too',
    )
    .option('--preset <name>', 'of each method', 'generated')
    .option(
      '--set <key=value>',
      'of every row: recipe.lr=0.01, beta=10, parts.<method>.config.seconds=1; repeatable',
      collect,
    )
    .option('--seeds <list>', 'e.g. 1,2,3', numberList, [1, 2, 3])
    .option('--steps <n>', 'steps of a row in all, of the supervised network too', positiveInt, 300)
    .option('--decoder-steps <n>', 'steps of a decoder on a frozen network', positiveInt, 100)
    .option('--betas <list>', 'more rows: il contrastive with these β, in the order of --stages', betaList)
    .option('--rows <glob>', 'only rows whose folder is named so, e.g. "single-*,il-*"')
    .option('--tasks <dir>', 'score on these tasks, as `unlabel eval` does, in place of scenes')
    .option('--score <protocol=tasks>', 'e.g. knn-dino/v1=emoji-*; repeatable (default: linear/v1=*)', collect)
    .option('--split <name>', 'scenes that are tested: test, or valid to choose by', 'test')
    .option('--part <i/n>', 'only every n-th run, from i (1 …) on: for several processes on one --out')
    .option('-o, --out <dir>', 'where runs, results and the table go', 'out/strategies')
    .addHelpText(
      'after',
      examples([
        'unlabel strategies --data out/data/binaural/scenes',
        'unlabel strategies --stages moco,densecl --preset small --data ~/photos --tasks images --score knn-dino/v1=emoji-category',
      ]),
    );
  withDisplay(withWorkers(withEngine(command))).action(async (options: StrategiesCliOptions) => {
    const { runStrategiesCommand } = await import('../scenes/strategies-cli.ts');
    await runStrategiesCommand(options);
  });
}
