/** `unlabel data build|verify`: the embedded suites. */
import type { Command } from 'commander';
import { collect, examples, withDisplay, withWorkers, workersOf } from '../options.ts';

export function register(program: Command): void {
  const data = program.command('data').description('the embedded data: real recordings and images from npm packages');
  const build = data
    .command('build <suite>')
    .description(
      'write a suite: quickstart or audio as HEAR-style task directories, images as class folders, COCO and VOC, binaural as generated scenes',
    )
    .option('-o, --out <dir>', 'folder to write to', 'out/data')
    .option('--only <task>', 'one task; repeatable', collect)
    .addHelpText(
      'after',
      examples([
        'unlabel data build quickstart',
        'unlabel data build audio --only drum-events -o ~/data',
        'unlabel data build images',
        'unlabel data build binaural                                      two ears and pictures, generated',
      ]),
    );
  withDisplay(withWorkers(build)).action(
    async (suite: string, options: { out: string; only?: string[]; workers?: number; display?: string }) => {
      const { buildData } = await import('../quickstart/build-data.ts');
      const { createDisplay } = await import('../display/display.ts');
      const display = createDisplay(options.display);
      await buildData({
        suite,
        out: options.out,
        workers: workersOf(options),
        display,
        ...(options.only && { only: options.only }),
      });
      display.close();
    },
  );
  data
    .command('verify <dir>')
    .description('compare a built suite with the hashes checked in')
    .action(async (dir: string) => {
      const { verifySuite } = await import('@unlabel/data');
      const parts = verifySuite(dir);
      for (const { id, state } of parts) process.stdout.write(`${state.padEnd(10)} ${id}\n`);
      if (parts.length === 0 || parts.some(({ state }) => state !== 'ok')) process.exitCode = 1;
    });
}
