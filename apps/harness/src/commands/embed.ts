/** `unlabel embed MODEL FILES…`: sounds or images to one array of embeddings. */
import type { Command } from 'commander';
import { examples, withDisplay, withEngine, withForeign, withSeed, type EngineCliOptions } from '../options.ts';

export interface EmbedOptions extends EngineCliOptions {
  readonly out: string;
  readonly timestamps?: boolean;
  readonly seed: number;
  readonly display?: string;
  readonly weights?: string;
  readonly python?: string;
  readonly timeout?: number;
}

export function register(program: Command): void {
  const command = program
    .command('embed <model> <files...>')
    .description('embed sounds or images, files or folders, into a NumPy array, one row a file')
    .requiredOption('-o, --out <file.npy>', 'array to write; the list of files goes to <file>.json beside it')
    .option('--timestamps', 'of sounds, one row a frame instead; times (ms) and files go to the .json')
    .addHelpText(
      'after',
      examples([
        'unlabel embed out/quickstart/delores-s a.wav b.flac -o two.npy',
        'unlabel embed logmel-stats ~/sounds -o sounds.npy',
        'unlabel embed out/moco ~/photos -o photos.npy',
      ]),
    );
  withDisplay(withSeed(withEngine(withForeign(command)))).action(
    async (model: string, files: string[], options: EmbedOptions) => {
      const { runEmbed } = await import('../models/embed-files.ts');
      await runEmbed(model, files, options);
    },
  );
}
