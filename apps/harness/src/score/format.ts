/** Tables of scores for people and for spreadsheets. */
export type Format = 'table' | 'json' | 'csv';

type Cell = string | number | null;
export type Row = Readonly<Record<string, Cell>>;

/** Four decimals; a dash for a score that does not exist. */
export const fraction = (value: number): string => (value >= 0 ? value.toFixed(4) : '–');

/** Columns from the first row; numbers to the right. */
export function tableOf(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const text = (row: Row, column: string): string => String(row[column] ?? '–');
  const isNumeric = (column: string): boolean =>
    rows.every((row) => typeof row[column] === 'number' || /^(–|[\d.]+)$/.test(text(row, column)));
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => text(row, column).length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isNumeric(columns[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return `${[line(columns), ...rows.map((row) => line(columns.map((column) => text(row, column))))].join('\n')}\n`;
}

/** RFC 4180, all digits; a score that does not exist is empty. */
export function csvOf(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cell = (value: Cell): string => {
    const text = value === null ? '' : String(value);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(cell), ...rows.map((row) => columns.map((column) => cell(row[column] ?? null)))];
  return `${lines.map((line) => line.join(',')).join('\n')}\n`;
}
