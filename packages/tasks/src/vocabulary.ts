/** `labelvocabulary.csv`: `idx,label`, rows in the order of their index, which starts at 0 (HEAR layout, hear.md §2). */
import { shown, type Findings } from './read-text.ts';

export const vocabularyFile = 'labelvocabulary.csv';

/** Rows of a CSV text (RFC 4180: quoted fields may hold commas, quotes and line ends). */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let isQuoted = false;
  const endRow = (): void => {
    row.push(field);
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
    field = '';
  };
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    if (isQuoted) {
      if (c === '"' && text[at + 1] === '"') field += text[++at]!;
      else if (c === '"') isQuoted = false;
      else field += c;
    } else if (c === '"' && field === '') isQuoted = true;
    else if (c === ',') {
      row.push(field);
      field = '';
    } else if (c === '\n') endRow();
    else if (c !== '\r' || text[at + 1] !== '\n') field += c;
  }
  endRow();
  return rows;
}

/** Labels by index. Faults are gathered; what can be read is returned, so that label files can still be checked. */
export function parseVocabulary(text: string, { faults, warnings }: Findings): string[] {
  const fault = (message: string): number => faults.push(`${vocabularyFile}: ${message}`);
  const [header, ...rows] = parseCsv(text.replace(/^\uFEFF/, ''));
  const idxColumn = header?.indexOf('idx') ?? -1;
  const labelColumn = header?.indexOf('label') ?? -1;
  if (idxColumn < 0 || labelColumn < 0) {
    fault(`expected the header idx,label, found ${shown(header?.join(',') ?? '')}`);
    return [];
  }
  const labels: string[] = [];
  const lines = new Map<string, number>();
  rows.forEach((row, i) => {
    const [idx, label] = [row[idxColumn] ?? '', row[labelColumn] ?? ''];
    if (!/^\d+$/.test(idx) || Number(idx) !== i) fault(`row ${i + 1}: expected idx ${i}, found ${shown(idx)}`);
    if (label === '') fault(`row ${i + 1}: the label is empty`);
    else if (lines.has(label)) fault(`row ${i + 1}: label ${shown(label)} repeats row ${lines.get(label)! + 1}`);
    else lines.set(label, i);
    labels.push(label);
  });
  if (labels.length === 0) fault('holds no label');
  if (!isSorted(labels)) {
    warnings.push(
      `${vocabularyFile}: labels are not sorted (numbers as numbers, others as text); the order written is used`,
    );
  }
  return labels;
}

/** HEAR sorts by the type that the column has: numbers when all labels are numbers. */
function isSorted(labels: readonly string[]): boolean {
  const isNumeric = labels.every((label) => label.trim() !== '' && Number.isFinite(Number(label)));
  return labels.every((label, i) => {
    const previous = labels[i - 1];
    return previous === undefined || (isNumeric ? Number(previous) <= Number(label) : previous <= label);
  });
}
