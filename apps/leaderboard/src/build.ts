/** From directories of results to leaderboard.csv, leaderboard.json and leaderboard.html, and the table for the terminal. */
import { join } from 'node:path';
import { ConfigError } from '@unlabel/core';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { makeBoard, type BoardOptions } from './board.ts';
import { collect, type CollectedResult } from './collect.ts';
import { boardCsv } from './csv.ts';
import { dirOf } from './hear/columns.ts';
import { publishedProtocol, withPublished } from './hear/published.ts';
import { boardHtml } from './html/page.ts';
import { boardJson, type Leaderboard } from './json.ts';
import { boardTable } from './table.ts';

export interface BuildOptions extends BoardOptions {
  /** Directories that hold `results/`. */
  readonly dirs: readonly string[];
  /** Folder to write to. */
  readonly out: string;
  /** Only results of this protocol. Protocols are never mixed: without it, several give a board each, in a folder of its own. */
  readonly protocol?: string | undefined;
  /** Set the published HEAR 2021 table beside the results. */
  readonly withPublished?: boolean | undefined;
  /** Columns of the table; default the terminal's, or 100. */
  readonly width?: number;
  /** Default: whether standard output is a terminal that wants colours. */
  readonly color?: boolean;
}

export interface BuiltLeaderboard {
  readonly protocol: string;
  /** Where its files are. */
  readonly out: string;
  readonly table: string;
  readonly leaderboard: Leaderboard;
  /** Files that were skipped and comparisons that could not be made. */
  readonly warnings: readonly string[];
}

/**
 * Collects, aggregates and writes; each file appears whole or not at all. One board a protocol.
 * @throws ConfigError when a directory is missing, or holds no result or none of the protocol
 */
export async function buildLeaderboards(options: BuildOptions): Promise<BuiltLeaderboard[]> {
  const { results, warnings } = await collect(options.dirs);
  const found = [...new Set(results.map(({ result }) => result.protocol.id))].sort();
  if (options.protocol !== undefined && !found.includes(options.protocol)) {
    throw new ConfigError(`--protocol ${options.protocol}: no result of it; there are results of ${found.join(', ')}.`);
  }
  const wanted = options.protocol === undefined ? found : [options.protocol];
  if (options.withPublished === true && wanted.length > 1) {
    throw new ConfigError(
      `the published HEAR 2021 scores are comparable with ${publishedProtocol} only, and there are results of ${wanted.join(', ')}. Add --protocol ${publishedProtocol}.`,
    );
  }
  const boards: BuiltLeaderboard[] = [];
  for (const protocol of wanted) {
    const own = alignRevisions(results.filter(({ result }) => result.protocol.id === protocol));
    const out = wanted.length === 1 ? options.out : join(options.out, protocol.replaceAll('/', '-'));
    const shown = options.withPublished === true ? await withPublished(own) : own;
    const title = wanted.length === 1 ? options.title : `${options.title}, ${protocol}`;
    boards.push(await write({ ...options, title, out, protocol }, shown, warnings));
  }
  return boards;
}

/** Imported results do not know their task's content: they join the one revision of the same version that others have. */
function alignRevisions(results: readonly CollectedResult[]): CollectedResult[] {
  const known = new Map(
    results
      .filter(({ result }) => !result.task.revision.endsWith('@imported'))
      .map(({ result }) => [dirOf(result.task), result.task.revision]),
  );
  return results.map((one) => {
    const revision = known.get(dirOf(one.result.task));
    return revision === undefined ? one : { ...one, result: { ...one.result, task: { ...one.result.task, revision } } };
  });
}

async function write(
  options: BuildOptions & { readonly protocol: string },
  results: readonly CollectedResult[],
  skipped: readonly string[],
): Promise<BuiltLeaderboard> {
  const { out, protocol } = options;
  const made = makeBoard(results, options);
  const board = { ...made, warnings: [...skipped, ...made.warnings] };
  const leaderboard = boardJson(board);
  await writeFileAtomic(join(out, 'leaderboard.csv'), boardCsv(board));
  await writeJsonAtomic(join(out, 'leaderboard.json'), leaderboard);
  await writeFileAtomic(join(out, 'leaderboard.html'), boardHtml(board));
  const { stdout, env } = process;
  const color = options.color ?? (stdout.isTTY && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb');
  const table = boardTable(board, { width: options.width ?? stdout.columns ?? 100, color });
  return { protocol, out, table, leaderboard, warnings: board.warnings };
}
