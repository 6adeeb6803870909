/** `unlabel leaderboard build DIR…`: results to a table, CSV, JSON and a page. */
import type { Command } from 'commander';
import { examples } from '../options.ts';

export function register(program: Command): void {
  program
    .command('leaderboard')
    .description('compare evaluated models')
    .command('build <dirs...>')
    .description('write leaderboard.csv, leaderboard.json and leaderboard.html from the results below DIRS')
    .requiredOption('-o, --out <dir>', 'folder to write to')
    .option('--title <text>', 'heading of the page', 'Leaderboard')
    .addHelpText('after', examples(['unlabel leaderboard build out/eval other/eval -o out/board --title "My sounds"']))
    .action(async (dirs: string[], options: { out: string; title: string }) => {
      const { buildLeaderboard } = await import('@unlabel/leaderboard');
      const { table, warnings } = await buildLeaderboard({ dirs, out: options.out, title: options.title });
      for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
      process.stdout.write(`${table}\n`);
    });
}
