#!/usr/bin/env -S node --conditions=@unlabel/source
/**
 * The command `unlabel`: runs the sources as they lie. The first line gives Node the condition under which the packages
 * resolve to their sources, so one process is enough where `node` is new enough; otherwise (`node unlabel.mjs`, an older
 * Node, a system whose `env` has no -S) a second one is started.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const condition = '--conditions=@unlabel/source';
const [major, minor] = process.versions.node.split('.').map(Number);
const runsTypeScript = major >= 24 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
const hasCondition = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')].includes(condition);

if (runsTypeScript && hasCondition) {
  module.enableCompileCache?.();
  const compiled = module.getCompileCacheDir?.();
  if (compiled !== undefined) process.env.NODE_COMPILE_CACHE ??= compiled; // for the worker processes
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  // The command line reads as if cli.ts had been started itself: worker processes are started the same way.
  process.argv[1] = cli;
  await import('../src/cli.ts');
} else {
  const installed = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));
  const node = runsTypeScript ? process.execPath : installed;
  if (existsSync(node)) {
    const child = spawn(node, [condition, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: 'inherit',
    });
    process.on('SIGINT', () => {}); // the child has it from the terminal and decides
    process.on('SIGTERM', (signal) => child.kill(signal));
    child.on('close', (status, signal) => {
      process.exitCode = status ?? 128 + constants.signals[signal];
    });
  } else {
    process.stderr.write(
      `unlabel needs Node 22.18 or newer; this is ${process.version}. Install a newer Node, or run \`npm ci\` in the ` +
        'project on Linux x64, which brings one.\n',
    );
    process.exitCode = 1;
  }
}
