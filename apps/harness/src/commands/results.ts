/** `unlabel results`: scores of hear-eval-kit in, the HEAR leaderboard's CSV out. */
import { Option, type Command } from 'commander';
import { examples } from '../options.ts';

export function register(program: Command): void {
  const results = program.command('results').description('bring in results made elsewhere, and give results out');
  results
    .command('import <paths...>')
    .description('read test.predicted-scores.json files of hear-eval-kit, or folders of them, into results')
    .requiredOption('-o, --out <dir>', 'folder whose results/ they join')
    .option('--model <id>', 'what made the embeddings (default: from embedding_path)')
    .option('--task <dir>', 'task folder, <name>-<version>-<mode> (default: from embedding_path)')
    .addHelpText(
      'after',
      examples([
        'unlabel results import embeddings/mymodel -o out/hear',
        'unlabel results import test.predicted-scores.json --model mymodel --task esc50-v2.0.0-full -o out/hear',
      ]),
    )
    .action(async (paths: string[], options: { out: string; model?: string; task?: string }) => {
      const { importResults } = await import('../results/import.ts');
      process.stdout.write(await importResults(paths, options));
    });
  results
    .command('export <dirs...>')
    .description('results of hear-faithful/v1 as rows of the HEAR leaderboard')
    .addOption(new Option('--format <form>', 'columns').choices(['hear-csv']).default('hear-csv'))
    .option('-o, --out <file>', 'file to write (default: standard output)')
    .addHelpText('after', examples(['unlabel results export out/hear -o leaderboard.csv']))
    .action(async (dirs: string[], options: { out?: string }) => {
      const { exportResults } = await import('../results/export.ts');
      await exportResults(dirs, options.out);
    });
}
