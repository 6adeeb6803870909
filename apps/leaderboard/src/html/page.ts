/** leaderboard.html: one file that asks for nothing else, complete without scripts. */
import { readFileSync } from 'node:fs';
import type { Board, BoardCell, BoardRow, BoardTask } from '../board.ts';
import { orientedScore } from '../board.ts';
import { makeSortable } from '../client/table.ts';
import { formatDifference, formatHalf, formatRank, formatScore } from '../format.ts';
import { protocolNotes } from '../protocol-notes.ts';
import { differenceSentence } from '../table.ts';
import { wordsOf } from '../words.ts';
import { bar, dot, spanOf } from './charts.ts';
import { html, Markup } from './escape.ts';
import { allMetrics, notes, provenance, taskTable } from './tables.ts';

const style = new Markup(readFileSync(new URL('../style.css', import.meta.url), 'utf8'));
/** The function's own text: types are gone by the time it runs. */
const script = new Markup(`(${makeSortable.toString()})(document);`);
/** Nothing may be fetched, whatever a name in the results tries. */
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** The page as text. */
export function boardHtml(board: Board): string {
  const { title, rows, tasks } = board;
  const { items } = wordsOf(tasks);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>${title}</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="lead">
            ${summary(board)} <a href="leaderboard.csv" download>CSV</a> · <a href="leaderboard.json" download>JSON</a>
          </p>
          ${claims(board)}
        </header>
        <main>
          <section aria-labelledby="scores">
            <h2 id="scores">Scores</h2>
            <p class="soft">
              Percent where a metric is a share; bars run from 0 to 100. ± and whiskers: 95 % bootstrap interval over
              test ${items}. Bold: best of its column.
            </p>
            ${protocolNotes(board).map((note) => html`<p>${note}</p>`)} ${scoreTable(rows, tasks)}
          </section>
          ${differences(board)} ${taskTable(board)} ${allMetrics(board)} ${provenance(board)} ${notes(board)}
        </main>
        <script>
          ${script};
        </script>
      </body>
    </html> `.text;
}

function summary({ rows, tasks }: Board): string {
  const protocols = [...new Set(rows.map(({ protocol }) => protocol))].join(', ');
  const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;
  return `${plural(rows.length, 'row')} on ${plural(tasks.length, 'task')}, ${protocols}, sorted by mean.`;
}

const withOwnInit = (rows: readonly BoardRow[]): BoardRow[] =>
  rows.filter(({ versus }) => versus?.isOwnInit && Object.keys(versus.tasks).length > 0);

/** `good` or `bad` where the interval excludes zero. */
const verdict = ({ low, high }: { low: number | null; high: number | null }): string =>
  (low ?? 0) > 0 ? 'good' : (high ?? 0) < 0 ? 'bad' : '';

/** What pre-training gained, in a sentence for each row that has its own random initialisation beside it. */
function claims({ rows, tasks }: Board): Markup {
  return html`${withOwnInit(rows).map(
    (row) => html`<p class="claim ${verdict(row.versus!.mean)}">${differenceSentence(row, tasks)}</p>`,
  )}`;
}

/** The same task by task, as a plot. */
function differences({ rows, tasks }: Board): Markup {
  const { items } = wordsOf(tasks);
  return html`${withOwnInit(rows).map((row, i) => {
    const versus = row.versus!;
    const found = tasks.filter(({ key }) => Object.hasOwn(versus.tasks, key));
    const span = spanOf([versus.mean, ...found.map(({ key }) => versus.tasks[key]!)]);
    const edge = Number((100 * span).toFixed(0));
    const line = (label: string, of: NonNullable<BoardRow['versus']>['mean']): Markup =>
      html` <tr class="${verdict(of)}">
        <th scope="row">${label}</th>
        <td class="plot">${dot(of, span)}</td>
        <td>${formatDifference(of)}</td>
      </tr>`;
    return html` <section aria-labelledby="gain-${i}">
      <h2 id="gain-${i}">${row.label} against its random initialisation</h2>
      <p class="soft">
        Difference from ${row.versus!.referenceLabel} in points of the primary metric, on the same test ${items}, with
        its 95 % interval.
      </p>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="gain-${i}">
        <table class="forest">
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col" class="plot">
                <span class="axis"><span>−${edge}</span><span>worse · points · better</span><span>+${edge}</span></span>
              </th>
              <th scope="col">Difference, 95 %</th>
            </tr>
          </thead>
          <tbody>
            ${found.map(({ key, label }) => line(label, versus.tasks[key]!))}${line('Mean', versus.mean)}
          </tbody>
        </table>
      </div>
    </section>`;
  })}`;
}

function scoreTable(rows: readonly BoardRow[], tasks: readonly BoardTask[]): Markup {
  const bestMean = Math.max(...rows.map(({ mean }) => mean.value ?? -Infinity));
  const { items } = wordsOf(tasks);
  const best = tasks.map((_, t) => Math.max(...rows.map(({ cells }) => orientedScore(cells[t]) ?? -Infinity)));
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="scores">
    <table class="board sortable">
      <thead>
        <tr>
          <th scope="col" data-sort="text">Model</th>
          <th scope="col" data-sort="down" aria-sort="descending">Mean</th>
          <th
            scope="col"
            data-sort="up"
            title="Rank of the mean, and where it lies in 95 % of resamples of tasks and ${items}"
          >
            Rank
          </th>
          ${tasks.map(({ label, metric, higherIsBetter }) => html`<th scope="col" data-sort="${higherIsBetter ? 'down' : 'up'}">${breakable(label)}<small>${metric} ${higherIsBetter ? '↑' : '↓'}</small></th>`)}
          <th scope="col" class="number" data-sort="up" title="Average over tasks of the rank on the task">
            Mean rank
          </th>
          <th
            scope="col"
            class="number"
            data-sort="down"
            title="Share of comparisons with another row on a task that are won"
          >
            Win rate
          </th>
          <th
            scope="col"
            class="number"
            data-sort="down"
            title="Rows beaten, summed over tasks; a missing task earns nothing"
          >
            Borda
          </th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <th scope="row" data-value="${row.label}">
                ${row.label}${row.model.method !== row.label && html`<small>${row.model.method}</small>`}
              </th>
              <td class="mean" data-value="${row.mean.value ?? ''}">
                ${score(row.mean, 'mean', row.mean.value === bestMean)}
              </td>
              <td class="rank" data-value="${row.rank.value ?? ''}">${formatRank(row.rank)}</td>
              ${row.cells.map((cell, t) => scoreCell(cell, tasks[t]!, best[t]!))}
              <td class="number" data-value="${row.meanRank ?? ''}">${row.meanRank?.toFixed(1) ?? '–'}</td>
              <td class="number" data-value="${row.winRate ?? ''}">${formatScore(row.winRate)}</td>
              <td class="number" data-value="${row.borda}">${Number(row.borda.toFixed(1))}</td>
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** A name may break after its hyphens and underscores. */
const breakable = (name: string): Markup =>
  html`${name.split(/(?<=[-_])/).map((part, i) => html`${i > 0 && new Markup('<wbr>')}${part}`)}`;

function scoreCell(cell: BoardCell | undefined, task: BoardTask, best: number): Markup {
  const metric = cell?.result.metrics[task.metric];
  if (!cell || !metric) return html`<td class="score" data-value="">–</td>`;
  const partial =
    cell.isPartial && html`<small>${cell.result.n} of ${cell.result.nFull} ${wordsOf([task]).items}</small>`;
  const isBest = orientedScore(cell) === best;
  return html`<td class="score" data-value="${metric.value ?? ''}">
    ${score(metric, task.metric, isBest)}${partial}${metric.note !== undefined && html`<small>${metric.note}</small>`}
  </td>`;
}

function score(
  of: { value: number | null; low: number | null; high: number | null },
  metric: string,
  isBest: boolean,
): Markup {
  const half = formatHalf(of, metric);
  const plus = half === '' ? html`` : html`<span class="plus">±${half}</span>`;
  return html`<span class="${isBest ? 'best' : ''}">${formatScore(of.value, metric)}</span>${plus}${bar(of)}`;
}
