/** `unlabel zoo export` and `unlabel zoo card`: one's own runs as checkpoints. */
import { Option, type Command } from 'commander';
import { collect, examples } from '../options.ts';

interface ExportCliOptions {
  readonly out: string;
  readonly id: string;
  readonly dtype: 'float32' | 'float16' | 'bfloat16';
  readonly licence: string;
  readonly data?: readonly string[];
}

export function registerExport(zoo: Command): void {
  zoo
    .command('export <run>')
    .description('turn a run into a checkpoint folder: weights, config, card, manifest')
    .requiredOption('-o, --out <dir>', 'folder to make')
    .requiredOption('--id <id>', '<backbone>.<method>_<data>, as audiontt_d512.delores-s_disjoint')
    .addOption(
      new Option('--dtype <type>', 'how weights are stored')
        .choices(['float32', 'float16', 'bfloat16'])
        .default('float32'),
    )
    .option('--licence <id>', 'of the weights', 'Apache-2.0')
    .option('--data <line>', 'a line about the training data, for the card (repeatable)', collect)
    .addHelpText(
      'after',
      examples([
        'unlabel zoo export out/mine -o out/audiontt_d512.delores-s_mine --id audiontt_d512.delores-s_mine --dtype float16',
        'unlabel eval out/audiontt_d512.delores-s_mine --tasks quickstart -o out/eval && unlabel zoo card out/audiontt_d512.delores-s_mine --eval out/eval',
      ]),
    )
    .action(async (run: string, { data = [], ...options }: ExportCliOptions) => {
      const { exportRun } = await import('../zoo/export.ts');
      const card = await exportRun(run, { ...options, data });
      process.stdout.write(
        `${card.id} in ${options.out}: ${card.params.toLocaleString('en')} values as ${card.dtype}\n`,
      );
    });
  zoo
    .command('card <checkpoint>')
    .description('show a checkpoint’s card, or write measured scores into it')
    .option('--eval <dir>', 'results of `unlabel eval` on this checkpoint (repeatable)', collect)
    .addHelpText(
      'after',
      examples(['unlabel zoo card audiontt_d512.delores-s_disjoint', 'unlabel zoo card out/mine --eval out/eval']),
    )
    .action(async (checkpoint: string, options: { eval?: readonly string[] }) => {
      const { addResults, showCard } = await import('../zoo/card.ts');
      if (options.eval) {
        const count = await addResults(checkpoint, options.eval);
        process.stdout.write(`${count} results in the card of ${checkpoint}\n`);
      } else process.stdout.write(await showCard(checkpoint));
    });
}
