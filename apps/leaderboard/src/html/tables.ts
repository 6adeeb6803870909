/** The quieter tables of the page: tasks, all metrics, where everything came from, notes. */
import type { Result } from '@unlabel/core';
import type { Board, BoardRow } from '../board.ts';
import { formatCount, formatScore, formatSeconds } from '../format.ts';
import { wordsOf } from '../words.ts';
import { html, type Markup } from './escape.ts';

export function taskTable({ rows, tasks }: Board): Markup {
  const { items, met } = wordsOf(tasks);
  return html` <section aria-labelledby="tasks">
    <h2 id="tasks">Tasks</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="tasks">
      <table>
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">Revision</th>
            <th scope="col">Kind</th>
            <th scope="col">Primary metric</th>
            <th scope="col" class="number">Test ${items}</th>
            <th scope="col">Training ${items} ${met} unlabelled by</th>
          </tr>
        </thead>
        <tbody>
          ${tasks.map(({ id, label, revision, predictionType, metric, higherIsBetter, nFull }) => {
            const saw = rows.filter(({ model }) => model.sawUnlabelled.includes(id)).map((row) => row.label);
            return html`<tr>
              <th scope="row">${label}</th>
              <td><code>${revision}</code></td>
              <td>${predictionType}</td>
              <td>${metric}, ${higherIsBetter ? 'higher' : 'lower'} is better</td>
              <td class="number">${nFull}</td>
              <td>${saw.length > 0 ? saw.join(', ') : '–'}</td>
            </tr> `;
          })}
        </tbody>
      </table>
    </div>
  </section>`;
}

export function allMetrics({ rows, tasks }: Board): Markup {
  const lines = tasks.flatMap((task, t) =>
    rows.flatMap((row) => (row.cells[t] ? [{ task, row, cell: row.cells[t] }] : [])),
  );
  return html` <section aria-labelledby="metrics">
    <h2 id="metrics">Every metric</h2>
    <details>
      <summary>
        ${lines.reduce((sum, { cell }) => sum + Object.keys(cell.result.metrics).length, 0)} values, with what each fold
        chose
      </summary>
      <div class="scroll">
        <table class="sortable">
          <thead>
            <tr>
              <th scope="col" data-sort="text">Task</th>
              <th scope="col" data-sort="text">Model</th>
              <th scope="col" data-sort="text">Metric</th>
              <th scope="col" class="number" data-sort="down">Value</th>
              <th scope="col" class="number">95 % interval</th>
              <th scope="col" class="number" data-sort="down">n</th>
              <th scope="col">Chosen on validation, fold by fold</th>
            </tr>
          </thead>
          <tbody>
            ${lines.map(({ task, row, cell }) =>
              Object.entries(cell.result.metrics).map(
                ([name, metric], i) =>
                  html`<tr>
                    <th scope="row">${task.label}</th>
                    <td>${row.label}</td>
                    <td>${name}</td>
                    <td class="number" data-value="${metric.value ?? ''}">${formatScore(metric.value, name)}</td>
                    <td class="number">
                      ${metric.low === null || metric.high === null ? (metric.note ?? '–') : `${formatScore(metric.low, name)} – ${formatScore(metric.high, name)}`}
                    </td>
                    <td class="number">${cell.result.n}</td>
                    <td>${i === 0 && html`<small>${selectionText(cell.result)}</small>`}</td>
                  </tr> `,
              ),
            )}
          </tbody>
        </table>
      </div>
    </details>
  </section>`;
}

/** `strength 0.1, 0.1, 0.03`: the values of the first chosen option that is not the fold or its validation score. */
function selectionText({ selection }: Result): string {
  const names = new Set(selection.flatMap((chosen) => Object.keys(chosen)));
  for (const name of ['fold', 'validation', 'iterations', 'converged', 'l2']) names.delete(name);
  return [...names].map((name) => `${name} ${selection.map((chosen) => plain(chosen[name])).join(', ')}`).join('; ');
}

export function provenance({ rows }: Board): Markup {
  return html` <section aria-labelledby="provenance">
    <h2 id="provenance">Where the numbers come from</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="provenance">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Source</th>
            <th scope="col">Fingerprint</th>
            <th scope="col" class="number">Parameters</th>
            <th scope="col" class="number">Embedding</th>
            <th scope="col" class="number">Rate, Hz</th>
            <th scope="col">Protocol</th>
            <th scope="col" class="number">Embed</th>
            <th scope="col" class="number">Probe</th>
            <th scope="col">Environment</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => {
            const { model } = row;
            const results = row.cells.flatMap((cell) => (cell ? [cell.result] : []));
            const total = (of: (result: Result) => number): string =>
              formatSeconds(results.reduce((sum, result) => sum + of(result), 0));
            return html`<tr>
              <th scope="row">${row.label}</th>
              <td>${model.source}</td>
              <td><code>${model.fingerprint.slice(0, 12)}</code></td>
              <td class="number">${formatCount(model.params)}</td>
              <td class="number">${model.embeddingSize || '–'}</td>
              <td class="number">${model.sampleRate || '–'}</td>
              <td>${row.protocol}<small>seed ${row.seed}</small></td>
              <td class="number">${total(({ time }) => time.embedSeconds)}</td>
              <td class="number">${total(({ time }) => time.probeSeconds)}</td>
              <td class="wide">${environments(row).map((text) => html`<small>${text}</small>`)}</td>
            </tr> `;
          })}
        </tbody>
      </table>
    </div>
  </section>`;
}

/** The distinct environments of a row's results, each as `engine wasm, node v24`. */
function environments({ cells }: BoardRow): string[] {
  return [...new Set(cells.flatMap((cell) => (cell ? [facts(cell.result.environment).join(', ')] : [])))];
}

/** `probe engine wasm` for what is nested; empty lists say nothing. */
const facts = (of: object, prefix = ''): string[] =>
  Object.entries(of).flatMap(([key, value]: [string, unknown]) => {
    if (Array.isArray(value) && value.length === 0) return [];
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return facts(value, `${prefix}${key} `);
    return [`${prefix}${key} ${plain(value)}`];
  });

const plain = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

export function notes({ rows, tasks, warnings }: Board): Markup {
  const { items } = wordsOf(tasks);
  const partial = rows.filter(({ cells }) => cells.some((cell) => cell?.isPartial)).map(({ label }) => label);
  const incomplete = rows.filter(({ isComplete }) => !isComplete).map(({ label }) => label);
  const listed = [
    `Mean: arithmetic mean of the primary metrics, error rates turned to 1 − s. Rank: of that mean; in brackets where it lies in 95 % of resamples of tasks and ${items}.`,
    `Differences are paired: both models are scored on the same resamples of the same test ${items}. k-fold tasks are the mean over their folds, and ${items} are resampled inside their fold.`,
    'Mean rank, win rate and Borda points depend on which rows are listed. Win rate: share of (other row, task) pairs won, ties half. Borda: rows beaten, summed over tasks.',
    partial.length > 0 &&
      `Scored on a part of the test ${items} somewhere, so never in a mean or rank: ${partial.join(', ')}.`,
    incomplete.length > 0 && `Not ranked, for want of a whole result on every task: ${incomplete.join(', ')}.`,
  ].filter((note) => note !== false);
  return html` <section aria-labelledby="notes">
    <h2 id="notes">Notes</h2>
    <ul>
      ${[...listed, ...warnings].map((note) => html`<li>${note}</li>`)}
    </ul>
  </section>`;
}
