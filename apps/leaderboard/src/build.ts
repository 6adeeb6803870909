/** From directories of results to leaderboard.csv, leaderboard.json and leaderboard.html, and the table for the terminal. */
import { join } from 'node:path';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { makeBoard, type BoardOptions } from './board.ts';
import { collect } from './collect.ts';
import { boardCsv } from './csv.ts';
import { boardHtml } from './html/page.ts';
import { boardJson, type Leaderboard } from './json.ts';
import { boardTable } from './table.ts';

export interface BuildOptions extends BoardOptions {
  /** Directories that hold `results/`. */
  readonly dirs: readonly string[];
  /** Folder to write to. */
  readonly out: string;
  /** Columns of the table; default the terminal's, or 100. */
  readonly width?: number;
  /** Default: whether standard output is a terminal that wants colours. */
  readonly color?: boolean;
}

export interface BuiltLeaderboard {
  readonly table: string;
  readonly leaderboard: Leaderboard;
  /** Files that were skipped and comparisons that could not be made. */
  readonly warnings: readonly string[];
}

/**
 * Collects, aggregates and writes; each file appears whole or not at all.
 * @throws ConfigError when a directory is missing or holds no result
 */
export async function buildLeaderboard(options: BuildOptions): Promise<BuiltLeaderboard> {
  const { results, warnings: skipped } = await collect(options.dirs);
  const made = makeBoard(results, options);
  const board = { ...made, warnings: [...skipped, ...made.warnings] };
  const leaderboard = boardJson(board);
  await writeFileAtomic(join(options.out, 'leaderboard.csv'), boardCsv(board));
  await writeJsonAtomic(join(options.out, 'leaderboard.json'), leaderboard);
  await writeFileAtomic(join(options.out, 'leaderboard.html'), boardHtml(board));
  const { stdout, env } = process;
  const color = options.color ?? (stdout.isTTY && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb');
  const table = boardTable(board, { width: options.width ?? stdout.columns ?? 100, color });
  return { table, leaderboard, warnings: board.warnings };
}
