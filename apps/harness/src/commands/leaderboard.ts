/** `unlabel leaderboard build DIR…`: results to a table, CSV, JSON and a page. */
import { Option, type Command } from 'commander';
import { examples } from '../options.ts';

interface BuildCliOptions {
  readonly out: string;
  readonly title: string;
  readonly protocol?: string;
  readonly with?: 'hear-2021';
}

export function register(program: Command): void {
  program
    .command('leaderboard')
    .description('compare evaluated models')
    .command('build <dirs...>')
    .description('write leaderboard.csv, leaderboard.json and leaderboard.html from the results below DIRS')
    .requiredOption('-o, --out <dir>', 'folder to write to')
    .option('--title <text>', 'heading of the page', 'Leaderboard')
    .option(
      '--protocol <id>',
      'results of this protocol only; several are never mixed, each gets a board in a folder of its own',
    )
    .addOption(
      new Option('--with <table>', 'set the 34 submissions of HEAR 2021 beside results of hear-faithful/v1').choices([
        'hear-2021',
      ]),
    )
    .addHelpText(
      'after',
      examples([
        'unlabel leaderboard build out/eval other/eval -o out/board --title "My sounds"',
        'unlabel leaderboard build out/hear -o out/board --protocol hear-faithful/v1 --with hear-2021',
      ]),
    )
    .action(async (dirs: string[], options: BuildCliOptions) => {
      const { buildLeaderboards } = await import('@unlabel/leaderboard');
      const { out, title, protocol } = options;
      const boards = await buildLeaderboards({ dirs, out, title, protocol, withPublished: options.with !== undefined });
      for (const warning of new Set(boards.flatMap(({ warnings }) => warnings)))
        process.stderr.write(`warning: ${warning}\n`);
      for (const board of boards) {
        if (boards.length > 1) process.stdout.write(`${board.protocol}, in ${board.out}\n`);
        process.stdout.write(`${board.table}\n`);
      }
    });
}
