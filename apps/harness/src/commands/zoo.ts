/** `unlabel zoo`: checkpoints, the project's own and the authors'. */
import { Option, type Command } from 'commander';
import { collect, examples, withDisplay } from '../options.ts';
import type { ListOptions } from '../zoo/ls.ts';
import type { PullCliOptions } from '../zoo/pull.ts';
import { registerExport } from './zoo-export.ts';

const withIndex = (command: Command): Command =>
  command.option('--index <file|url>', 'another index, before the project’s own (repeatable)', collect);

export function register(program: Command): void {
  const zoo = program
    .command('zoo')
    .description('checkpoints: list, pull, verify, import, make')
    .addHelpText(
      'after',
      `
Pulled checkpoints lie under UNLABEL_CACHE, else XDG_CACHE_HOME/unlabel, else ~/.cache/unlabel.
UNLABEL_OFFLINE=1 forbids downloads; HTTP_PROXY, HTTPS_PROXY and NO_PROXY are followed.`,
    );
  withIndex(zoo.command('ls [words...]'))
    .description('list checkpoints whose id, title or method has all words')
    .option('--pulled', 'only what is on this machine')
    .option('--json', 'as JSON')
    .addHelpText('after', examples(['unlabel zoo ls', 'unlabel zoo ls beats iter3', 'unlabel zoo ls --pulled --json']))
    .action(async (words: string[], options: ListOptions) => {
      const { listZoo } = await import('../zoo/ls.ts');
      process.stdout.write(await listZoo(words, options));
    });
  withIndex(zoo.command('show <id>'))
    .description('licence, front-end, files, hashes and published scores of a checkpoint')
    .option('--json', 'as JSON')
    .addHelpText('after', examples(['unlabel zoo show audiontt_d512.byol-s_audioset-speech']))
    .action(async (id: string, options: ListOptions) => {
      const { showZoo } = await import('../zoo/ls.ts');
      process.stdout.write(await showZoo(id, options));
    });
  registerPull(zoo);
  zoo
    .command('verify [checkpoints...]')
    .description(
      'hash every file of checkpoints (default: those that ship with the project and those that were pulled)',
    )
    .option('--json', 'as JSON')
    .addHelpText('after', examples(['unlabel zoo verify', 'unlabel zoo verify out/mine']))
    .action(async (checkpoints: string[], options: { json?: boolean }) => {
      const { verifyAll } = await import('../zoo/verify.ts');
      process.stdout.write(await verifyAll(checkpoints, options));
    });
  zoo
    .command('rm <ids...>')
    .description('remove pulled checkpoints, and what stopped pulls left of them')
    .option('--json', 'as JSON')
    .addHelpText('after', examples(['unlabel zoo rm beats_base.beats_audioset_iter3']))
    .action(async (ids: string[], options: { json?: boolean }) => {
      const { removeZoo } = await import('../zoo/rm.ts');
      process.stdout.write(await removeZoo(ids, options));
    });
  zoo
    .command('du')
    .description('room that pulled checkpoints take')
    .option('--json', 'as JSON')
    .addHelpText('after', examples(['unlabel zoo du']))
    .action(async (options: { json?: boolean }) => {
      const { diskUse } = await import('../zoo/rm.ts');
      process.stdout.write(await diskUse(options));
    });
  registerExport(zoo);
}

function registerPull(zoo: Command): void {
  const command = withIndex(zoo.command('pull <ids...>'))
    .description('download checkpoints, verify them, and import those whose network is built here')
    .option('--accept-licence', 'accept a licence that restricts use; asked once')
    .option('--file <path>', 'take this file, got by hand, instead of downloading it')
    .addOption(new Option('--mirror <url>', 'try <url>/<id>/<file> before every address').env('UNLABEL_ZOO_MIRROR'))
    .option('--no-import', 'keep authors’ files as they are')
    .option('--json', 'a record a line')
    .addHelpText(
      'after',
      `
A stopped pull goes on where it was, and of several at once one downloads.
${examples([
  'unlabel zoo pull audiontt_d512.byol-s_audioset-speech',
  'unlabel zoo pull resnet50.swav_imagenet_800ep --accept-licence',
  'unlabel zoo pull beats_base.beats_audioset_iter3 --file ~/Downloads/BEATs_iter3.pt',
  'unlabel zoo pull mine.delores-s_birds --index https://example.org/zoo/index.json',
])}`,
    );
  withDisplay(command).action(async (ids: string[], options: PullCliOptions) => {
    const { pullZoo } = await import('../zoo/pull.ts');
    await pullZoo(ids, options);
  });
}
