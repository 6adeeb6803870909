/** `unlabel quickstart`: what `npm start` runs. */
import type { Command } from 'commander';
import { examples, withDisplay, withEngine, withSeed, withWorkers, type EngineCliOptions } from '../options.ts';

export interface QuickstartOptions extends EngineCliOptions {
  readonly out: string;
  readonly seed: number;
  readonly workers?: number;
  readonly display?: string;
}

export function register(program: Command): void {
  const command = program
    .command('quickstart')
    .description(
      'build real audio tasks, pre-train DeLoRes-S for a minute or two, evaluate it beside baselines, show the board',
    )
    .option('-o, --out <dir>', 'folder for everything it writes', 'out/quickstart')
    .addHelpText('after', examples(['unlabel quickstart', 'unlabel quickstart --seed 1 --out out/second']));
  withDisplay(withWorkers(withSeed(withEngine(command)))).action(async (options: QuickstartOptions) => {
    const { quickstart } = await import('../quickstart/quickstart.ts');
    await quickstart(options);
  });
}
