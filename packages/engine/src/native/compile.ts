/** Compiles the Node-API binding against an unpacked TensorFlow with the user's C++ compiler. */
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { DeviceError } from '@unlabel/core';

import type { BindingSources } from './platform.ts';
import { COMPILE_FLAGS, OPS_FLAGS } from './platform.ts';

export const TENSORFLOW_LIBRARIES: readonly string[] = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/** The C++ compiler: $CXX, g++, c++ or clang++, whichever answers first; undefined when none does. */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): { command: string; version: string } | undefined {
  const chosen = env['CXX'];
  for (const command of chosen !== undefined && chosen !== '' ? [chosen] : ['g++', 'c++', 'clang++']) {
    const found = spawnSync(command, ['--version'], { env, encoding: 'utf8', timeout: 30_000 });
    if (found.status === 0) return { command, version: found.stdout.split('\n')[0]!.trim() };
  }
  return undefined;
}

/** What to do about a missing compiler. */
export const COMPILER_FIX =
  'install a C++17 compiler (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; Alpine is not supported), or name one in CXX';

async function run(compiler: { command: string; version: string }, args: readonly string[]): Promise<void> {
  const child = spawn(compiler.command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += complaint.length < 20_000 ? text : ''));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return;
  const errors = complaint.split('\n').filter((line) => /error|cannot find|undefined reference/.test(line));
  throw new DeviceError(
    `${compiler.command} (${compiler.version}) could not compile the native engine (exit ${code ?? 'by signal'}):\n  ` +
      `${(errors.length > 0 ? errors : complaint.split('\n')).slice(0, 5).join('\n  ')}\n${COMPILER_FIX}.`,
  );
}

/** The module loaded before a binding, beside it. */
export const preloadOf = (binding: string): string => join(dirname(binding), 'preload.node');

/**
 * Compiles every source at once, then links.
 * @param root folder with `tensorflow/` as the wheel has it
 * @param output the binding, two folders below `root`, so that it finds the libraries wherever `root` is moved; its own
 *   folder takes the object files meanwhile
 * Throws DeviceError with the compiler's first errors.
 */
export async function compileBinding(sources: BindingSources, root: string, output: string): Promise<void> {
  const compiler = findCompiler();
  if (compiler === undefined) throw new DeviceError(`no C++ compiler was found: ${COMPILER_FIX}.`);
  const include = [...sources.include, join(root, 'tensorflow', 'include')].flatMap((dir) => ['-I', dir]);
  const units = [
    ...sources.files.map((file) => ({ file, flags: COMPILE_FLAGS })),
    ...sources.opsFiles.map((file) => ({ file, flags: [...COMPILE_FLAGS, ...OPS_FLAGS] })),
  ].map((unit, i) => ({ ...unit, object: `${output}.${i}.o` }));
  await Promise.all(
    units.map(({ file, flags, object }) => run(compiler, [...flags, ...include, '-c', file, '-o', object])),
  );
  const objects = units.map(({ object }) => object);
  const libraries = TENSORFLOW_LIBRARIES.map((name) => `-l:${name}`);
  const rpath = '-Wl,-rpath,$ORIGIN/../../tensorflow';
  await run(compiler, [
    '-shared',
    ...objects,
    '-o',
    output,
    '-L',
    join(root, 'tensorflow'),
    ...libraries,
    rpath,
    '-pthread',
  ]);
  await run(compiler, [
    ...COMPILE_FLAGS,
    ...include,
    '-shared',
    sources.preload,
    '-o',
    preloadOf(output),
    '-ldl',
    '-pthread',
  ]);
  for (const object of objects) rmSync(object);
}
