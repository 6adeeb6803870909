/** `npm run goldens -- DIR [--engine tensorflow|wasm|cpu] [--only GLOB]` */
import { parseArgs } from 'node:util';
import { ConfigError, isUnlabelError } from '@unlabel/core';
import { engineNames, type EngineName } from '@unlabel/engine';
import { describeOutcome, runGoldens } from './goldens.ts';

const help = `Runs every golden under DIR whose target exists, and compares with the tolerance it states.

usage: npm run goldens -- DIR [--engine ${engineNames.join('|')}] [--only GLOB] [--verbose]

  --engine   the engine that computes; default: the native one when it is installed, else wasm
  --only     names to run, * matching any characters
  --verbose  every output beyond its bound, not only the worst

One line each (ok, FAIL or no target), then a count. Exit status 1 on a FAIL, 2 on wrong usage.

example: npm run goldens -- packages/audio/fixtures --only 'fe-*'
`;

function readArguments(): { dir: string; engine: EngineName | 'auto'; only?: string; isVerbose: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      engine: { type: 'string', default: process.env['UNLABEL_ENGINE'] ?? 'auto' },
      only: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    process.exit(0);
  }
  const [dir, ...rest] = positionals;
  if (dir === undefined || rest.length > 0) throw new ConfigError('expected one directory');
  const engine = (['auto', ...engineNames] as const).find((name) => name === values.engine);
  if (engine === undefined)
    throw new ConfigError(`unknown engine ${values.engine}: expected ${engineNames.join(', ')}`);
  return { dir, engine, isVerbose: values.verbose, ...(values.only !== undefined && { only: values.only }) };
}

function main(): Promise<number> {
  let args: ReturnType<typeof readArguments>;
  try {
    args = readArguments();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return Promise.resolve(2);
  }
  return run(args);
}

async function run({ dir, engine, only, isVerbose }: ReturnType<typeof readArguments>): Promise<number> {
  const { outcomes, engine: used } = await runGoldens(dir, {
    engine,
    ...(only !== undefined && { only }),
    onOutcome: (outcome) => {
      process.stdout.write(`${describeOutcome(outcome)}\n`);
      if (isVerbose) for (const fault of outcome.faults) process.stdout.write(`             ${fault}\n`);
    },
  });
  const count = (status: string): number => outcomes.filter((outcome) => outcome.status === status).length;
  process.stdout.write(
    `${count('ok')} ok, ${count('FAIL')} FAIL, ${count('no target')} no target (${used.engine}, ${used.device})\n`,
  );
  if (outcomes.length === 0)
    process.stderr.write(`no goldens under ${dir}${only === undefined ? '' : ` named ${only}`}\n`);
  return count('FAIL') > 0 || outcomes.length === 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!isUnlabelError(error)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
