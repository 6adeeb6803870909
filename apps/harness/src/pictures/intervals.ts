/** Points with two intervals each, one group under another. */
import { escapeXml, palette, ticks } from './svg.ts';

export interface IntervalGroup {
  readonly title: string;
  readonly rows: readonly {
    readonly name: string;
    readonly value: number;
    /** Half widths. */
    readonly inner: number;
    readonly outer: number;
  }[];
}

const width = 760;
const left = 250;
const right = 70;
const rowHeight = 20;
const groupHead = 30;

/** All groups share the axis. A name keeps its colour in all of them. */
export function intervalChart(title: string, groups: readonly IntervalGroup[]): string {
  const all = groups.flatMap(({ rows }) => rows);
  const names = [...new Set(all.map(({ name }) => name))];
  const ends = all.flatMap(({ value, inner, outer }) => [
    value - Math.max(inner, outer),
    value + Math.max(inner, outer),
  ]);
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  const pad = (high - low || 1) * 0.04;
  const x = (value: number): number => left + ((value - low + pad) / (high - low + 2 * pad)) * (width - left - right);
  const height = 40 + groups.reduce((sum, { rows }) => sum + groupHead + rows.length * rowHeight, 0) + 30;
  const marks: string[] = [];
  let y = 40;
  for (const { title: head, rows } of groups) {
    marks.push(`<text x="10" y="${y + 18}" font-weight="600">${escapeXml(head)}</text>`);
    y += groupHead;
    for (const { name, value, inner, outer } of rows) {
      const color = palette[names.indexOf(name) % palette.length]!;
      const line = (half: number, thick: number): string =>
        `<line x1="${x(value - half).toFixed(1)}" x2="${x(value + half).toFixed(1)}" y1="${y + 6}" y2="${y + 6}" stroke="${color}" stroke-width="${thick}"/>`;
      marks.push(
        `<text x="${left - 10}" y="${y + 10}" text-anchor="end">${escapeXml(name)}</text>`,
        line(outer, 1.2),
        line(inner, 4),
        `<circle cx="${x(value).toFixed(1)}" cy="${y + 6}" r="4" fill="${color}"/>`,
        `<text x="${width - right + 8}" y="${y + 10}">${value.toFixed(2)}</text>`,
      );
      y += rowHeight;
    }
  }
  const axis = ticks(low - pad, high + pad)
    .map(
      (tick) =>
        `<line class="grid" x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="36" y2="${height - 26}"/><text x="${x(tick).toFixed(1)}" y="${height - 10}" text-anchor="middle">${tick}</text>`,
    )
    .join('');
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">` +
    '<style>svg{color:#222;background:#fff;font:12px system-ui,sans-serif}@media(prefers-color-scheme:dark){svg{color:#ddd;background:#16181d}}' +
    'text{fill:currentColor}.grid{stroke:currentColor;stroke-opacity:.15}</style>' +
    `<text x="10" y="20">${escapeXml(title)}</text>${axis}${marks.join('')}</svg>\n`
  );
}
