/** Curves of a run: loss and its terms over steps, probe score over steps. */
import { writeFileAtomic } from '@unlabel/formats';
import type { LogLine } from '../run-dir.ts';
import { lineChart, type Series } from './svg.ts';

const notCurves = new Set(['step', 'lr', 'seconds']);

/** The loss, and beside it every other logged term on its own picture when there are several. */
export async function writeLossCurve(file: string, log: readonly LogLine[], title: string): Promise<void> {
  const points = (name: string): [number, number][] =>
    log.flatMap((line): [number, number][] => (typeof line[name] === 'number' ? [[line.step, line[name]]] : []));
  const names = [...new Set(log.flatMap((line) => Object.keys(line)))].filter(
    (name) => !notCurves.has(name) && name !== 'loss',
  );
  await writeFileAtomic(file, lineChart(`${title}: loss`, 'step', [{ name: 'loss', points: points('loss') }]));
  for (const name of names) {
    const series: Series = { name, points: points(name) };
    await writeFileAtomic(
      file.replace(/\.svg$/, `-${name.replace(/[^\w-]/g, '_')}.svg`),
      lineChart(`${title}: ${name}`, 'step', [series]),
    );
  }
}

/** One picture of lines over steps. */
export async function writeLineChart(file: string, title: string, series: readonly Series[]): Promise<void> {
  await writeFileAtomic(file, lineChart(title, 'step', series));
}
