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

const isOurs = ({ label }: Measured): boolean => label.startsWith('ours');

/** Our sides: the first contender, and what else of `measured` is ours. */
const oursOf = (measured: readonly Measured[]): readonly Measured[] =>
  measured.filter((one, i) => i === 0 || isOurs(one));

/** One row a work and contender; a ratio says how many times faster a contender of ours is than this one. */
export function markdownTable(suite: Suite, measured: readonly Measured[], machine: Machine): string {
  const [ours] = measured;
  const own = oursOf(measured);
  const rows = suite.works.flatMap((work) =>
    measured.map((one) => {
      const held = one.works[work]!;
      const amount = suite.amounts?.[work];
      const rate = amount ? `${(amount.amount / held.median).toPrecision(3)} ${amount.unit}/s` : '';
      const ratios = own.map((side) =>
        one === side ? '1' : `${pairedRatio(side.works[work]!, held).toPrecision(3)} ×`,
      );
      const spread = `${duration(held.low)} – ${duration(held.high)}`;
      return `| ${[work, one.label, duration(held.median), spread, rate, ...ratios].join(' | ')} |`;
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
    `| work | side | median | middle half | rate | ${own.map(({ label }) => `${own.length > 1 ? label : 'ours'} faster by`).join(' | ')} |`,
    `|${' --- |'.repeat(5 + own.length)}`,
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
  const ratiosOf = (side: Measured) =>
    Object.fromEntries(
      suite.works.map((work) => [
        work,
        Object.fromEntries(
          measured
            .filter((one) => one !== side)
            .map(({ label, works }) => [label, pairedRatio(side.works[work]!, works[work]!)]),
        ),
      ]),
    );
  const { name, description } = suite;
  const [ours, ...others] = oursOf(measured);
  const report = {
    schema: 1,
    name,
    description,
    machine,
    contenders: measured,
    oursFasterBy: ratiosOf(ours!),
    ...(others.length > 0 && {
      otherFasterBy: Object.fromEntries(others.map((side) => [side.label, ratiosOf(side)])),
    }),
  };
  await writeJsonAtomic(join(folder, `${name}.json`), report);
  await writeFileAtomic(join(folder, `${name}.md`), markdownTable(suite, measured, machine));
  return report;
}
