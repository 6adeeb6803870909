/** The board as a terminal table: model × task, score ± half the 95 % interval, and what pre-training gained. */
import type { Board, BoardCell, BoardRow, BoardTask } from './board.ts';
import { orientedScore } from './board.ts';
import { formatDifference, formatHalf, formatScore } from './format.ts';
import { protocolNotes } from './protocol-notes.ts';
import { wordsOf } from './words.ts';

export interface TableOptions {
  /** Columns of the terminal, default 100. */
  readonly width?: number;
  readonly color?: boolean;
}

type Paint = 'bold' | 'dim' | 'green' | 'red' | 'plain';
const codes: Readonly<Record<Exclude<Paint, 'plain'>, number>> = { bold: 1, dim: 2, green: 32, red: 31 };

interface Cell {
  readonly text: string;
  readonly paint?: Paint;
  /** Set after the text, dimmed: the ± part. */
  readonly tail?: string;
}
interface Column {
  readonly head: readonly [string, string, string];
  readonly cells: readonly Cell[];
}

const GAP = 2;
const LABEL_WIDTH = 26;

/** Text lines without a final line break; no line is longer than `width` (at least 40). */
export function boardTable(board: Board, { width = 100, color = false }: TableOptions = {}): string {
  const columns = Math.max(width, 40);
  const paint = (text: string, how: Paint = 'plain'): string =>
    color && how !== 'plain' && text !== '' ? `\u001B[${codes[how]}m${text}\u001B[0m` : text;
  const labels = board.rows.map(({ label }) => clip(label, Math.min(LABEL_WIDTH, Math.floor(columns / 3))));
  const labelWidth = Math.max(5, ...labels.map(widthOf));
  const closing = [meanColumn(board), rankColumn(board)];
  const layout = (hasInterval: boolean): Column[] => [
    ...board.tasks.map((task, t) => taskColumn(board, task, t, hasInterval)),
    ...closing,
  ];
  const total = (of: readonly Column[]): number =>
    labelWidth + of.reduce((sum, column) => sum + GAP + widthOfColumn(column), 0);
  const narrow = layout(false);
  const chosen = total(layout(true)) > columns && total(narrow) <= columns ? narrow : layout(true);

  const lines: string[] = [];
  for (const block of intoBlocks(chosen, columns - labelWidth)) {
    if (lines.length > 0) lines.push('');
    lines.push(...renderBlock(block, labels, labelWidth, paint));
  }
  const notes = [...differenceLines(board), ...footnotes(board)];
  return [
    ...lines,
    '',
    ...notes.flatMap(({ text, paint: how }) => wrap(text, columns).map((line) => paint(line, how))),
  ].join('\n');
}

function taskColumn(board: Board, task: BoardTask, t: number, hasInterval: boolean): Column {
  const [first, second] = splitName(task.label);
  const best = Math.max(...board.rows.map(({ cells }) => orientedScore(cells[t]) ?? -Infinity));
  const cells = board.rows.map(({ cells: row }) => scoreCell(row[t], task, best, hasInterval));
  return {
    head: [first, second, `${task.metric.replace(/_acc$/, '').slice(0, 10)} ${task.higherIsBetter ? '↑' : '↓'}`],
    cells,
  };
}

function scoreCell(cell: BoardCell | undefined, task: BoardTask, best: number, hasInterval: boolean): Cell {
  const metric = cell?.result.metrics[task.metric];
  if (!metric) return { text: '–', paint: 'dim' };
  const half = hasInterval ? formatHalf(metric, task.metric) : '';
  const text = formatScore(metric.value, task.metric) + (cell.isPartial ? '*' : '');
  const paint = orientedScore(cell) === best ? 'bold' : 'plain';
  return { text, paint, tail: half === '' ? '' : `±${half}` };
}

function meanColumn({ rows }: Board): Column {
  const best = Math.max(...rows.map(({ mean }) => mean.value ?? -Infinity));
  const cells = rows.map(({ mean }): Cell => {
    const half = formatHalf(mean);
    return {
      text: formatScore(mean.value),
      paint: mean.value === best ? 'bold' : 'plain',
      tail: half === '' ? '' : `±${half}`,
    };
  });
  return { head: ['', 'mean', 'sorted ↓'], cells };
}

function rankColumn({ rows }: Board): Column {
  return { head: ['', 'mean', 'rank'], cells: rows.map(({ meanRank }) => ({ text: meanRank?.toFixed(1) ?? '–' })) };
}

const widthOfCell = ({ text, tail = '' }: Cell): number => widthOf(text) + widthOf(tail);
const widthOfColumn = ({ head, cells }: Column): number => Math.max(...head.map(widthOf), ...cells.map(widthOfCell));

/** Columns in groups that fit beside the labels. */
function intoBlocks(columns: readonly Column[], room: number): Column[][] {
  const blocks: Column[][] = [[]];
  let used = 0;
  for (const column of columns) {
    const needed = GAP + widthOfColumn(column);
    if (used + needed > room && blocks.at(-1)!.length > 0) {
      blocks.push([]);
      used = 0;
    }
    blocks.at(-1)!.push(column);
    used += needed;
  }
  return blocks;
}

function renderBlock(
  block: readonly Column[],
  labels: readonly string[],
  labelWidth: number,
  paint: (text: string, how?: Paint) => string,
): string[] {
  const gap = ' '.repeat(GAP);
  const head = [0, 1, 2].map((line) => {
    const cells = block.map((column) => padStart(column.head[line]!, widthOfColumn(column)));
    const label = line === 2 ? 'model' : '';
    return paint([padEnd(label, labelWidth), ...cells].join(gap).trimEnd(), line === 2 ? 'dim' : 'plain');
  });
  const rule = paint(
    '─'.repeat(labelWidth + block.reduce((sum, column) => sum + GAP + widthOfColumn(column), 0)),
    'dim',
  );
  const body = labels.map((label, i) => {
    const cells = block.map((column) => {
      const cell = column.cells[i]!;
      // Scores line up on their right edge whether or not an interval follows.
      const tails = Math.max(...column.cells.map(({ tail = '' }) => widthOf(tail)));
      const text = padStart(cell.text, widthOfColumn(column) - tails);
      return paint(text, cell.paint) + paint(padEnd(cell.tail ?? '', tails), 'dim');
    });
    return [padEnd(label, labelWidth), ...cells].join(gap).trimEnd();
  });
  return [...head.filter((line) => line.trim() !== ''), rule, ...body];
}

interface Note {
  readonly text: string;
  readonly paint: Paint;
}

/** What each pre-trained row gained over its own initialisation; without one, what the best row gained over the reference. */
function differenceLines({ rows, tasks }: Board): Note[] {
  const own = rows.filter(({ versus }) => versus?.isOwnInit);
  const shown = own.length > 0 ? own : rows.filter(({ versus }) => versus).slice(0, 1);
  return shown.map((row) => ({ text: differenceSentence(row, tasks), paint: verdictOf(row) }));
}

const verdictOf = ({ versus }: BoardRow): Paint => {
  const { low, high } = versus?.mean ?? { low: null, high: null };
  return low !== null && low > 0 ? 'green' : high !== null && high < 0 ? 'red' : 'plain';
};

/** `delores-s − delores-s-init on the same clips: mean +4.1 [+2.9, +5.3], above zero; better on 5 of 6 tasks, worse on 0.` */
export function differenceSentence({ label, versus }: BoardRow, tasks: readonly BoardTask[]): string {
  if (!versus) return '';
  const { mean } = versus;
  const [better, worse] = [
    tasks.filter(({ key }) => (versus.tasks[key]?.low ?? 0) > 0).length,
    tasks.filter(({ key }) => (versus.tasks[key]?.high ?? 0) < 0).length,
  ];
  const verdict =
    mean.low === null || mean.high === null
      ? 'not comparable on every task'
      : mean.low > 0
        ? 'above zero'
        : mean.high < 0
          ? 'below zero'
          : 'not distinguishable from zero';
  return (
    `${clip(label, 40)} − ${clip(versus.referenceLabel, 40)} on the same ${wordsOf(tasks).items}: mean ${formatDifference(mean)}, ${verdict}; ` +
    `clearly better on ${better} of ${tasks.length} tasks, clearly worse on ${worse}.`
  );
}

function footnotes(board: Board): Note[] {
  const { rows, tasks } = board;
  const { items } = wordsOf(tasks);
  const cells = rows.flatMap((row) => row.cells);
  const notes = [`Percent where a metric is a share; ± is half of the 95 % bootstrap interval over test ${items}.`];
  if (cells.some((cell) => cell?.isPartial))
    notes.push(`* scored on a part of the test ${items}; never in a mean or rank.`);
  if (rows.some(({ isComplete }) => !isComplete)) notes.push('Rows that lack a task have no mean and no rank.');
  return [...notes, ...protocolNotes(board)].map((text) => ({ text, paint: 'dim' }));
}

/** A name on two lines, cut at the hyphen or underscore that balances them best; each at most 10 wide. */
function splitName(name: string): [string, string] {
  const cuts = [...name.matchAll(/[-_ ]/g)].map(({ index }) => index + 1);
  const best = cuts.reduce(
    (held, cut) => (Math.max(cut, name.length - cut) < Math.max(held, name.length - held) ? cut : held),
    0,
  );
  return [clip(name.slice(0, best), 10), clip(name.slice(best), 10)];
}

const segments = new Intl.Segmenter('en', { granularity: 'grapheme' });
const isWide = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}/u;
const graphemes = (text: string): string[] => [...segments.segment(text)].map(({ segment }) => segment);
const widthOfGrapheme = (grapheme: string): number => (isWide.test(grapheme) ? 2 : 1);

/** Terminal columns of a text. */
export const widthOf = (text: string): number =>
  graphemes(text).reduce((sum, grapheme) => sum + widthOfGrapheme(grapheme), 0);

/** At most `width` columns, an ellipsis for what is cut; control characters, which could move the cursor, become `·`. */
export function clip(text: string, width: number): string {
  const plain = text.replaceAll(/\p{C}/gu, '·');
  if (widthOf(plain) <= width) return plain;
  let kept = '';
  let used = 0;
  for (const grapheme of graphemes(plain)) {
    if (used + widthOfGrapheme(grapheme) > width - 1) break;
    kept += grapheme;
    used += widthOfGrapheme(grapheme);
  }
  return `${kept}…`;
}

const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text;
const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
