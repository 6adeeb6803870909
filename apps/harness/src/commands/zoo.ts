/** `unlabel zoo`: checkpoints, the project's own and the authors'. */
import type { Command } from 'commander';
import { examples } from '../options.ts';
import { registerExport } from './zoo-export.ts';

export function register(program: Command): void {
  const zoo = program.command('zoo').description('checkpoints: list, verify, make');
  zoo
    .command('verify [checkpoints...]')
    .description('hash every file of checkpoints against their manifests (default: those that ship with the project)')
    .addHelpText('after', examples(['unlabel zoo verify', 'unlabel zoo verify out/mine']))
    .action(async (checkpoints: string[]) => {
      const { verifyAll } = await import('../zoo/verify.ts');
      process.stdout.write(await verifyAll(checkpoints));
    });
  registerExport(zoo);
}
