/** `unlabel show ID`: a method, model or task in full. */
import type { Command } from 'commander';
import { examples } from '../options.ts';

export function register(program: Command): void {
  program
    .command('show <id>')
    .description('a method (config, recipe, presets), a model or run directory, or a task directory')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples([
        'unlabel show delores-s',
        'unlabel show out/quickstart/delores-s',
        'unlabel show out/data/tasks/gm-drums-v1-full',
      ]),
    )
    .action(async (id: string, options: { json?: boolean }) => {
      const { show } = await import('../listing.ts');
      process.stdout.write(await show(id, options.json ?? false));
    });
}
