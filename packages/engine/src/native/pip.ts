/**
 * Fetches wheels with the user's own pip: its configuration decides which index is asked, so none is named here. One
 * fixed Python tag is asked for (see platform.ts), which lets any Python 3 with pip do it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
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

export interface Fetch {
  /** Where whole wheels are kept, so that a later failure does not download them again. */
  readonly folder: string;
  /** For everything unfinished; pip's own temporary files go there too. */
  readonly scratch: string;
  /** Bytes below `scratch` so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Downloads requirements without their dependencies into `target`. Throws DeviceError when pip is missing or fails. */
async function download(
  requirements: readonly string[],
  tags: readonly string[],
  target: string,
  { scratch, onBytes }: Fetch,
): Promise<void> {
  const pip = findPip();
  if (typeof pip === 'string') throw new DeviceError(`the native engine is fetched with pip, but ${pip}`);
  const [program, ...rest] = pip.command;
  const temporary = join(scratch, 'pip');
  for (const dir of [target, temporary]) mkdirSync(dir, { recursive: true });
  const args = [...rest, 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
  args.push(...PYTHON_TAG, ...tags.flatMap((tag) => ['--platform', tag]), '--dest', target, ...requirements);
  const child = spawn(program!, args, {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-4000)));
  const watch = setInterval(() => onBytes?.(bytesBelow(scratch)), 500);
  const kill = (): void => void child.kill();
  process.once('exit', kill);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => {
    clearInterval(watch);
    process.off('exit', kill);
  });
  if (code === 0) return;
  throw new DeviceError(
    `${pip.command.join(' ')} could not download ${requirements.join(', ')} (exit ${code ?? 'by signal'}):\n  ` +
      `${complaint.trim().split('\n').slice(-3).join('\n  ')}\n` +
      'Check the network and pip’s configuration (pip config list), then run the same command again.',
  );
}

const wheelsIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.whl')) : [];

/**
 * Downloads TensorFlow's wheel under pip's name, unless a whole one is there already.
 * @returns the wheel's path. Throws DeviceError when pip is missing, fails, or the file has another sha256.
 */
export async function fetchWheel(pin: WheelPin, fetch: Fetch): Promise<{ file: string; isCached: boolean }> {
  const prefix = `${pin.project.replaceAll('-', '_')}-${TENSORFLOW_VERSION}-`;
  mkdirSync(fetch.folder, { recursive: true });
  for (const name of wheelsIn(fetch.folder).filter((name) => name.startsWith(prefix))) {
    const file = join(fetch.folder, name);
    if ((await sha256File(file)) === pin.sha256) return { file, isCached: true };
    rmSync(file, { force: true }); // damaged or replaced: fetch it again
  }
  const target = join(fetch.scratch, 'wheel');
  await download([`${pin.project}==${TENSORFLOW_VERSION}`], [pin.tag], target, fetch);
  const name = wheelsIn(target).find((name) => name.startsWith(prefix));
  if (name === undefined) throw new DeviceError(`pip reported success but left no ${prefix}….whl.`);
  const found = await sha256File(join(target, name));
  if (found !== pin.sha256) {
    throw new DeviceError(
      `${name}: sha256 is ${found}, expected ${pin.sha256}. The index pip asks serves another file; nothing was installed.`,
    );
  }
  const file = join(fetch.folder, name);
  renameSync(join(target, name), file);
  return { file, isCached: false };
}

/**
 * Downloads the wheels that hold CUDA's libraries, all or none; their versions are ranges, so it is their own RECORDs that
 * vouch for them.
 * @returns their paths
 */
export async function fetchCompanions(pin: WheelPin, fetch: Fetch): Promise<readonly string[]> {
  const folder = join(fetch.folder, 'companions');
  if (pin.companions.length > 0 && !existsSync(folder)) {
    const target = join(fetch.scratch, 'companions');
    await download(pin.companions, pin.companionTags, target, fetch);
    renameSync(target, folder);
  }
  return wheelsIn(folder).map((name) => join(folder, name));
}
