/** `unlabel strategies`: every way to combine tasks on binaural scenes, beside each other. */
import type { Command } from 'commander';
import { collect, examples, numberList, positiveInt, withDisplay, withEngine, type EngineCliOptions } from '../options.ts';

export interface StrategiesCliOptions extends EngineCliOptions {
  readonly stages: string;
  readonly data: string;
  readonly preset: string;
  readonly set?: string[];
  readonly seeds: number[];
  readonly steps: number;
  readonly decoderSteps: number;
  readonly split: string;
  readonly out: string;
  readonly part?: string;
  readonly display?: string;
}

export function register(program: Command): void {
  const command = program
    .command('strategies')
    .description('compare every way to combine tasks on binaural scenes, with equal steps; the same command resumes')
    .option('--stages <a,b,c>', 'tasks', 'spatial-alignment,foreground-alignment,temporal-gap')
    .requiredOption('--data <dir>', 'scenes, as `unlabel data build binaural` writes them')
    .option('--preset <name>', 'of each task', 'generated')
    .option('--set <key=value>', 'of every row: recipe.lr=0.01, beta=10, parts.<task>.config.seconds=1; repeatable', collect)
    .option('--seeds <list>', 'e.g. 1,2,3', numberList, [1, 2, 3])
    .option('--steps <n>', 'steps of a row in all, of the supervised network too', positiveInt, 300)
    .option('--decoder-steps <n>', 'steps of a decoder on a frozen network', positiveInt, 100)
    .option('--split <name>', 'scenes that are tested: test, or valid to choose by', 'test')
    .option('--part <i/n>', 'only every n-th run, from i (1 …) on: for several processes on one --out')
    .option('-o, --out <dir>', 'where runs, results and the table go', 'out/strategies')
    .addHelpText('after', examples(['unlabel strategies --data out/data/binaural/scenes']));
  withDisplay(withEngine(command)).action(async (options: StrategiesCliOptions) => {
    const { runStrategiesCommand } = await import('../scenes/strategies-cli.ts');
    await runStrategiesCommand(options);
  });
}
