/** `npm run bench -- NAME…`: our speed beside the peers', same machine, interleaved repetitions, medians and ratios. */
import { parseArgs } from 'node:util';
import { nearest } from '@unlabel/core';
import { measure } from './lib/measure.ts';
import { findPython, makePython } from './lib/python.ts';
import { describeMachine, markdownTable, writeReport } from './lib/report.ts';
import { suites } from './suites/index.ts';

const help = `Measures our speed beside the Python peers': same machine, interleaved repetitions, medians and ratios.

usage: npm run bench -- NAME… [--peer] [--python PATH] [--engine auto|tensorflow|wasm] [--reps N] [--json]

  NAME      ${suites.map(({ name }) => name).join(', ')}, or all
  --peer    make the peers' virtual environment (benchmarks/.venv) when it is not there yet; several GB
  --python  a Python that has the peers' packages, instead
  --engine  the engine of our side; default: the native one when it is installed, else wasm
  --reps    repetitions, instead of each benchmark's own number
  --json    the report as JSON on stdout, instead of the table
  --list    the benchmarks, one a line

Writes benchmarks/results/NAME.json and NAME.md.

example: npm run bench -- delores-step front-end --peer
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peer: { type: 'boolean', default: false },
    python: { type: 'string' },
    engine: { type: 'string', default: 'auto' },
    reps: { type: 'string' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function wanted(): typeof suites {
  if (positionals.includes('all')) return suites;
  return positionals.map((name) => {
    const suite = suites.find((held) => held.name === name);
    if (suite) return suite;
    const names = suites.map((held) => held.name);
    const near = nearest(name, names);
    const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : '';
    throw new Error(`unknown benchmark "${name}".${hint} Known: ${names.join(', ')}.`);
  });
}

async function main(): Promise<void> {
  if (values.help || (positionals.length === 0 && !values.list)) {
    process.stdout.write(help);
    if (!values.help) process.exitCode = 2;
    return;
  }
  if (values.list) {
    for (const { name, description } of suites) process.stdout.write(`${name.padEnd(14)} ${description}\n`);
    return;
  }
  const repetitions = values.reps === undefined ? undefined : Number(values.reps);
  if (repetitions !== undefined && !(Number.isSafeInteger(repetitions) && repetitions > 0)) {
    throw new Error(`--reps ${values.reps}: expected a whole number above 0`);
  }
  const chosen = wanted();
  const python = values.python ?? (values.peer ? makePython() : findPython());
  if (python === undefined) process.stderr.write('No peer: run with --peer to install it.\n');
  const isLive = process.stderr.isTTY === true;
  for (const suite of chosen) {
    const machine = describeMachine();
    const measured = await measure(
      suite,
      {
        engine: values.engine,
        ...(python !== undefined && { python }),
        ...(repetitions !== undefined && { repetitions }),
      },
      (text) => isLive && process.stderr.write(`\r\x1b[K${text}`),
    );
    if (isLive) process.stderr.write('\r\x1b[K');
    const report = await writeReport(suite, measured, machine);
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${markdownTable(suite, measured, machine)}\n`);
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
