/** What `unlabel strategies` does: the runs, then the table of all that are there. */
import { ConfigError, parseOverrides } from '@unlabel/core';
import { useEngine } from '@unlabel/engine';
import type { StrategiesCliOptions } from '../commands/strategies.ts';
import { createDisplay } from '../display/display.ts';
import { engineOptionsOf } from '../options.ts';
import { runStrategies } from './strategies.ts';
import { writeStrategies } from './strategies-report.ts';

export async function runStrategiesCommand(options: StrategiesCliOptions): Promise<void> {
  const [, part = '1', of = '1'] = /^(\d+)\/(\d+)$/.exec(options.part ?? '1/1') ?? [];
  if (!(Number(part) >= 1 && Number(part) <= Number(of)))
    throw new ConfigError(`--part ${options.part}: expected I/N with I from 1 to N.`);
  const engine = engineOptionsOf(options);
  await useEngine(engine);
  const display = createDisplay(options.display);
  const { data, preset, seeds, steps, decoderSteps, split, out } = options;
  const methods = options.stages.split(',');
  const set = parseOverrides(options.set ?? []);
  const request = { methods, data, preset, set, seeds, steps, decoderSteps, split, out, engine, display };
  const results = await runStrategies({ ...request, part: Number(part) - 1, of: Number(of) });
  if (of === '1') process.stdout.write(await writeStrategies(out, results));
  display.close();
}
