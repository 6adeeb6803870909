/** What a benchmark leaves: `results/<name>.json` with every repetition, and a Markdown table. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { pairedRatio, type Measured, type Suite } from './measure.ts';

const folder = new URL('../results/', import.meta.url).pathname;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly node: string;
  /** Load average of the last minute before the run: above 0.5 the figures are noisy. */
  readonly load: number;
}

export const describeMachine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  load: loadavg()[0] ?? 0,
});

const duration = (seconds: number): string =>
  seconds < 1 ? `${(1000 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;

const cell = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

/** One row a work and contender; the ratio says how many times faster our first contender is than this one. */
export function markdownTable(suite: Suite, measured: readonly Measured[], machine: Machine): string {
  const [ours] = measured;
  const rows = suite.works.flatMap((work) =>
    measured.map((one) => {
      const held = one.works[work]!;
      const amount = suite.amounts?.[work];
      const rate = amount ? `${(amount.amount / held.median).toPrecision(3)} ${amount.unit}/s` : '';
      const ratio = one === ours ? '1' : `${pairedRatio(ours!.works[work]!, held).toPrecision(3)} ×`;
      const spread = `${duration(held.low)} – ${duration(held.high)}`;
      return `| ${work} | ${one.label} | ${duration(held.median)} | ${spread} | ${rate} | ${ratio} |`;
    }),
  );
  const sides = measured.map(({ label, info, peakMemory }) => {
    const facts = Object.entries(info).map(([key, value]) => `${key} ${cell(value)}`);
    if (peakMemory !== undefined) facts.push(`peak memory ${(peakMemory / 2 ** 30).toPrecision(3)} GB`);
    return `- ${label}: ${facts.join(', ')}`;
  });
  return [
    `## ${suite.name}`,
    '',
    suite.description,
    '',
    '| work | side | median | middle half | rate | ours faster by |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    ...sides,
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGB} GB, Node ${machine.node}; ` +
      `load before the run ${machine.load.toFixed(1)}; ${ours?.works[suite.works[0]!]?.runs.length ?? 0} interleaved repetitions.`,
    '',
  ].join('\n');
}

/** @returns the object that is written */
export async function writeReport(suite: Suite, measured: readonly Measured[], machine: Machine): Promise<object> {
  const [ours] = measured;
  const ratios = Object.fromEntries(
    suite.works.map((work) => [
      work,
      Object.fromEntries(
        measured.slice(1).map(({ label, works }) => [label, pairedRatio(ours!.works[work]!, works[work]!)]),
      ),
    ]),
  );
  const { name, description } = suite;
  const report = { schema: 1, name, description, machine, contenders: measured, oursFasterBy: ratios };
  await writeJsonAtomic(join(folder, `${name}.json`), report);
  await writeFileAtomic(join(folder, `${name}.md`), markdownTable(suite, measured, machine));
  return report;
}
