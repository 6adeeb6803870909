/** `unlabel scenes MODEL…`: networks of binaural scenes on retrieval, spatial super-resolution and semantic prediction. */
import { Option, type Command } from 'commander';
import { examples, positiveInt, withDisplay, withEngine, withSeed, type EngineCliOptions } from '../options.ts';

export interface ScenesCliOptions extends EngineCliOptions {
  readonly data: string;
  readonly split: string;
  readonly steps: number;
  readonly fineTune?: boolean;
  readonly out: string;
  readonly seed: number;
  readonly display?: string;
}

export function register(program: Command): void {
  const command = program
    .command('scenes <models...>')
    .description('measure networks of binaural scenes on retrieval, spatial super-resolution, semantic prediction')
    .requiredOption('--data <dir>', 'scenes with classes and turned ears, as `unlabel data build binaural` writes them')
    .addOption(new Option('--split <name>', 'scenes that are tested').choices(['test', 'valid']).default('test'))
    .option('--steps <n>', 'steps each decoder is trained for, on the training scenes', positiveInt, 300)
    .option('--fine-tune', 'train the network with each decoder; of RUN@init: the supervised baseline')
    .option('-o, --out <dir>', 'where results are kept', 'out/scenes')
    .addHelpText(
      'after',
      examples([
        'unlabel scenes out/mine out/mine@init --data out/data/binaural/scenes',
        'unlabel scenes out/mine@init --fine-tune --data out/data/binaural/scenes      supervised',
      ]),
    );
  withDisplay(withSeed(withEngine(command))).action(async (models: string[], options: ScenesCliOptions) => {
    const { runScenes } = await import('../scenes/run.ts');
    await runScenes(models, options);
  });
}
