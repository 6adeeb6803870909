/** `unlabel ls KIND [GLOB]`. */
import { Argument, type Command } from 'commander';
import { examples } from '../options.ts';

export function register(program: Command): void {
  program
    .command('ls')
    .description('list what there is')
    .addArgument(
      new Argument('<kind>', 'what').choices(['methods', 'tasks', 'models', 'presets', 'protocols', 'goldens']),
    )
    .argument('[glob]', 'only ids that match')
    .option('--tasks <dir>', 'where to look for tasks', 'out/data')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(['unlabel ls methods', 'unlabel ls presets "delores*" --json', 'unlabel ls tasks --tasks ~/hear/tasks']),
    )
    .action(async (kind: string, glob: string | undefined, options: { tasks: string; json?: boolean }) => {
      const { list } = await import('../listing.ts');
      process.stdout.write(await list(kind, glob, options));
    });
}
