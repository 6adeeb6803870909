/**
 * Fetches wheels with the user's own pip: its configuration decides which index is asked, so none is named here. One
 * fixed Python tag is asked for (see platform.ts), which lets any Python 3 with pip do it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { DeviceError } from '@unlabel/core';

import type { WheelPin } from './platform.ts';
import { TENSORFLOW_VERSION } from './platform.ts';
import { sha256File } from './wheel.ts';

const PYTHON_TAG = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311'] as const;

/** The command line prefix that runs pip, or why there is none. UNLABEL_PYTHON names a Python to use instead. */
export function findPip(
  env: NodeJS.ProcessEnv = process.env,
): { command: readonly string[]; version: string } | string {
  const chosen = env['UNLABEL_PYTHON'];
  const candidates = chosen !== undefined ? [[chosen, '-m', 'pip']] : pipCommands;
  let hasPython = false;
  for (const command of candidates) {
    const [program, ...rest] = command;
    const found = spawnSync(program!, [...rest, '--version'], { env, encoding: 'utf8', timeout: 30_000 });
    if (found.status === 0) return { command, version: found.stdout.trim().split(' ').slice(0, 2).join(' ') };
    if (found.error === undefined && rest.length > 0) hasPython = true;
  }
  return hasPython
    ? 'Python is here but its pip is not: install it (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip).'
    : 'no Python 3 was found: install Python with pip (Debian, Ubuntu: apt install python3-pip), or set UNLABEL_PYTHON.';
}

const pipCommands: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['pip3'],
  ['pip'],
];

/** Bytes of all files below a folder, which may be changing. */
function bytesBelow(folder: string): number {
  let sum = 0;
  try {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      try {
        const stat = statSync(join(folder, name));
        if (stat.isFile()) sum += stat.size;
      } catch {
        // gone between listing and looking
      }
    }
  } catch {
    // not there yet
  }
  return sum;
}

/**
 * Downloads one wheel into `folder` under pip's name, unless a whole one is there already.
 * @param scratch folder for everything unfinished; pip's own temporary files go there too
 * @returns the wheel's path. Throws DeviceError when pip is missing, fails, or the file has another sha256.
 */
export async function fetchWheel(
  pin: WheelPin,
  folder: string,
  scratch: string,
  onBytes?: (done: number, total: number) => void,
): Promise<{ file: string; isCached: boolean }> {
  const prefix = `${pin.project.replaceAll('-', '_')}-${TENSORFLOW_VERSION}-`;
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder).filter((name) => name.startsWith(prefix) && name.endsWith('.whl'))) {
    const file = join(folder, name);
    if (pin.sha256 === undefined || (await sha256File(file)) === pin.sha256) return { file, isCached: true };
    rmSync(file, { force: true }); // damaged or replaced: fetch it again
  }
  const pip = findPip();
  if (typeof pip === 'string') throw new DeviceError(`the native engine is fetched with pip, but ${pip}`);
  const [program, ...rest] = pip.command;
  const target = join(scratch, 'wheel');
  const temporary = join(scratch, 'pip');
  for (const dir of [target, temporary]) mkdirSync(dir, { recursive: true });
  const args = [...rest, 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
  args.push(...PYTHON_TAG, '--platform', pin.tag, '--dest', target, `${pin.project}==${TENSORFLOW_VERSION}`);
  const child = spawn(program!, args, {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-4000)));
  const watch = setInterval(() => onBytes?.(Math.min(bytesBelow(scratch), pin.bytes), pin.bytes), 500);
  const kill = (): void => void child.kill();
  process.once('exit', kill);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => {
    clearInterval(watch);
    process.off('exit', kill);
  });
  const name = readdirSync(target).find((name) => name.startsWith(prefix) && name.endsWith('.whl'));
  if (code !== 0 || name === undefined) {
    const last = complaint.trim().split('\n').slice(-3).join('\n  ');
    throw new DeviceError(
      `${pip.command.join(' ')} could not download ${pin.project} ${TENSORFLOW_VERSION} (exit ${code ?? 'by signal'}):\n  ${last}\n` +
        'Check the network and pip’s configuration (pip config list), then run the same command again.',
    );
  }
  const fetched = join(target, name);
  if (pin.sha256 !== undefined) {
    const found = await sha256File(fetched);
    if (found !== pin.sha256) {
      throw new DeviceError(
        `${name}: sha256 is ${found}, expected ${pin.sha256}. The index pip asks serves another file; nothing was installed.`,
      );
    }
  }
  const file = join(folder, name);
  renameSync(fetched, file);
  return { file, isCached: false };
}
