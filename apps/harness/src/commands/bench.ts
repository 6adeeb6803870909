/** `unlabel bench NAME`: the benchmarks of `benchmarks/`, each beside its Python peer where that is installed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { examples } from '../options.ts';

export function register(program: Command): void {
  program
    .command('bench [names...]')
    .description('measure speed beside the Python peers; `unlabel bench --list` names the benchmarks')
    .allowUnknownOption()
    .helpOption(false)
    .addHelpText('after', examples(['unlabel bench delores-step --peer', 'unlabel bench --list']))
    .action((_names: string[], _options: unknown, command: Command) => {
      const script = fileURLToPath(new URL('../../../../benchmarks/bench.ts', import.meta.url));
      const run = spawnSync(process.execPath, ['--conditions=@unlabel/source', script, ...command.args], {
        stdio: 'inherit',
      });
      process.exitCode = run.status ?? 1;
    });
}
