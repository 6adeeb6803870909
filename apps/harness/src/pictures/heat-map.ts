/** A table of numbers as coloured cells: rows in groups, light for small values and dark for large ones. */
import { escapeXml } from './svg.ts';

export interface HeatMapGroup {
  readonly title: string;
  readonly rows: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const left = 210;
const cellWidth = 82;
const cellHeight = 24;
const groupHead = 30;
const top = 66;

/** `columns` head the values of every row. All cells share the scale, which starts at 0. */
export function heatMap(title: string, columns: readonly string[], groups: readonly HeatMapGroup[]): string {
  const most = Math.max(...groups.flatMap(({ rows }) => rows.flatMap(({ values }) => values)), Number.MIN_VALUE);
  const width = left + columns.length * cellWidth + 16;
  const height = top + groups.reduce((sum, { rows }) => sum + groupHead + rows.length * cellHeight, 0) + 12;
  const center = (column: number): number => left + (column + 0.5) * cellWidth;
  const marks = columns.map(
    (name, c) => `<text x="${center(c)}" y="${top - 10}" text-anchor="middle">${escapeXml(name)}</text>`,
  );
  let y = top;
  for (const { title: head, rows } of groups) {
    marks.push(`<text x="10" y="${y + 19}" font-weight="600">${escapeXml(head)}</text>`);
    y += groupHead;
    for (const { name, values } of rows) {
      marks.push(`<text x="${left - 10}" y="${y + 16}" text-anchor="end">${escapeXml(name)}</text>`);
      values.forEach((value, c) => {
        const share = Math.max(0, value) / most;
        const fill = `hsl(${Math.round(52 - 42 * share)} 85% ${Math.round(92 - 52 * share)}%)`;
        marks.push(
          `<rect x="${left + c * cellWidth + 1}" y="${y + 1}" width="${cellWidth - 2}" height="${cellHeight - 2}" rx="2" fill="${fill}"/>` +
            `<text class="${share > 0.55 ? 'light' : 'dark'}" x="${center(c)}" y="${y + 16}" text-anchor="middle">${value.toFixed(2)}</text>`,
        );
      });
      y += cellHeight;
    }
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">` +
    '<style>svg{color:#222;background:#fff;font:12px system-ui,sans-serif}@media(prefers-color-scheme:dark){svg{color:#ddd;background:#16181d}}' +
    'text{fill:currentColor}.dark{fill:#222}.light{fill:#fff}</style>' +
    `<text x="10" y="20">${escapeXml(title)}</text>${marks.join('')}</svg>\n`
  );
}
