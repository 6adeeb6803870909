/** `unlabel data build|verify`: the embedded suites; `data import`: sets that users have. */
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
  const bring = data
    .command('import <set> <dir>')
    .description('a data set you have, in its authors’ layout: omniaudio (streets, eight microphones and a camera)')
    .option('-o, --out <dir>', 'folder to write to', 'out/data/omniaudio')
    .option('--size <height>x<width>', 'pixels of the pictures', '64x128')
    .addHelpText(
      'after',
      examples([
        'unlabel data import omniaudio ~/dataset_public -o ~/omniaudio',
        'unlabel pretrain spatial-alignment --data ~/omniaudio          its scenes 1–114',
      ]),
    );
  withDisplay(bring).action(
    async (set: string, dir: string, options: { out: string; size: string; display?: string }) => {
      const { importData } = await import('../quickstart/import-data.ts');
      await importData(set, dir, options);
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
