/** Small SVG charts without a library: axes, lines, points. Readable in light and dark, since they follow the page's colour. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const width = 640;
const height = 320;
const margin = { left: 58, right: 16, top: 34, bottom: 40 };
export const palette = [
  '#3b6fd4',
  '#d9822b',
  '#2a9d5c',
  '#b5479c',
  '#8a6d3b',
  '#5a5fbf',
  '#c0392b',
  '#0f8b8d',
  '#7f8c1f',
  '#6c757d',
];

export const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Round numbers that cover [low, high] in about `count` steps. */
export function ticks(low: number, high: number, count = 5): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.floor((high - first) / step + 1e-9) + 1 }, (_, i) =>
    Number((first + i * step).toPrecision(12)),
  );
}

interface Scale {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

function frame(title: string, body: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">` +
    '<style>svg{color:#222;background:#fff;font:12px system-ui,sans-serif}@media(prefers-color-scheme:dark){svg{color:#ddd;background:#16181d}}' +
    'text{fill:currentColor}.grid{stroke:currentColor;stroke-opacity:.15}</style>' +
    `<text x="${margin.left}" y="20" font-weight="600">${escapeXml(title)}</text>${body}</svg>\n`
  );
}

function scaleOf(
  points: readonly (readonly [number, number])[],
  reserved = 0,
): { scale: Scale; xs: number[]; ys: number[] } {
  const [xLow, xHigh] = extent(points.map(([x]) => x));
  const [yLow, yHigh] = extent(points.map(([, y]) => y));
  const pad = (yHigh - yLow || Math.abs(yHigh) || 1) * 0.05;
  const span = { x: xHigh - xLow || 1, y: yHigh - yLow + 2 * pad };
  const scale: Scale = {
    x: (v) => margin.left + ((v - xLow) / span.x) * (width - margin.left - margin.right - reserved),
    y: (v) => height - margin.bottom - ((v - yLow + pad) / span.y) * (height - margin.top - margin.bottom),
  };
  return { scale, xs: ticks(xLow, xHigh), ys: ticks(yLow - pad, yHigh + pad) };
}

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return Number.isFinite(low) ? [low, high] : [0, 1];
}

const label = (value: number): string =>
  Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(0) : String(value);

/** Lines over a shared x axis. */
export function lineChart(title: string, xLabel: string, series: readonly Series[]): string {
  const { scale, xs, ys } = scaleOf(series.flatMap((s) => s.points));
  const grid = [
    ...ys.map(
      (y) =>
        `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${scale.y(y)}" y2="${scale.y(y)}"/><text x="${margin.left - 6}" y="${scale.y(y) + 4}" text-anchor="end">${label(y)}</text>`,
    ),
    ...xs.map(
      (x) => `<text x="${scale.x(x)}" y="${height - margin.bottom + 16}" text-anchor="middle">${label(x)}</text>`,
    ),
    `<text x="${(margin.left + width - margin.right) / 2}" y="${height - 6}" text-anchor="middle">${escapeXml(xLabel)}</text>`,
  ];
  const lines = series.map(({ name, points }, i) => {
    const path = points.map(([x, y]) => `${scale.x(x).toFixed(1)},${scale.y(y).toFixed(1)}`).join(' ');
    const color = palette[i % palette.length]!;
    const legend = `<text x="${width - margin.right}" y="${20 + 15 * i}" text-anchor="end" style="fill:${color}">${escapeXml(name)}</text>`;
    return `<polyline fill="none" stroke="${color}" stroke-width="1.6" points="${path}"/>${legend}`;
  });
  return frame(title, [...grid, ...lines].join(''));
}

/** Width of the legend beside a scatter. */
const legendWidth = 130;

/** Points coloured by class, hues spread over the classes, with the legend beside them (at most twenty names fit). */
export function scatterChart(title: string, groups: readonly Series[]): string {
  const { scale } = scaleOf(
    groups.flatMap((g) => g.points),
    legendWidth,
  );
  const dots = groups.map(({ name, points }, i) => {
    const color = `hsl(${Math.round((360 * i) / groups.length)} 62% ${i % 2 === 0 ? 42 : 58}%)`;
    const marks = points
      .map(([x, y]) => `<circle cx="${scale.x(x).toFixed(1)}" cy="${scale.y(y).toFixed(1)}" r="2.6"/>`)
      .join('');
    const at = `x="${width - legendWidth}" y="${margin.top + 4 + 14 * i}"`;
    const legend = i < 20 ? `<text ${at} style="fill:${color}">${escapeXml(name)}</text>` : '';
    return `<g fill="${color}" fill-opacity=".8"><title>${escapeXml(name)}</title>${marks}</g>${legend}`;
  });
  return frame(title, dots.join(''));
}
