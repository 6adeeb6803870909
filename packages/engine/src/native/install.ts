/**
 * Installs the native engine: fetch the wheel, verify it, keep its libraries and C headers, compile the binding, test the
 * result in a process of its own. Everything is made in a temporary folder and renamed, so a killed installation leaves
 * nothing that counts as installed, and the next run clears it away.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { DeviceError, messageOf } from '@unlabel/core';

import { COMPILER_FIX, TENSORFLOW_LIBRARIES, compileBinding, findCompiler } from './compile.ts';
import { findNative } from './load.ts';
import type { NativeInstall } from './load.ts';
import { withLock } from './lock.ts';
import { fetchCompanions, fetchWheel, findPip } from './pip.ts';
import type { NativeDevice, WheelPin } from './platform.ts';
import { TENSORFLOW_VERSION, bindingSources, engineCache, engineDir, wheelFor } from './platform.ts';
import { runSelfTest } from './self-test.ts';
import { unpackWheel } from './wheel.ts';

export type InstallPhase = 'wait' | 'download' | 'unpack' | 'compile' | 'test' | 'done';

export interface InstallProgress {
  readonly phase: InstallPhase;
  /** Bytes done and in total, where the phase counts bytes. */
  readonly done?: number;
  readonly total?: number;
}

export interface InstallOptions {
  readonly device: NativeDevice;
  readonly onProgress?: (progress: InstallProgress) => void;
  /** Install anew even when a whole installation is there. */
  readonly force?: boolean;
}

/** Members of the wheel that are kept: the libraries and the C API's headers with what they include. */
export function isKept(name: string): boolean {
  if (TENSORFLOW_LIBRARIES.some((library) => name === `tensorflow/${library}`)) return true;
  const header = /^tensorflow\/include\/(.*\.h)$/.exec(name)?.[1];
  return header !== undefined && KEPT_HEADERS.test(header);
}

/** Members of the CUDA wheels that are kept, where TensorFlow's libraries look for them beside their own folder. */
export const isCudaLibrary = (name: string): boolean => /^nvidia\/[^/.]+\/lib\/[^/]+\.so(\.[\d.]+)?$/.test(name);

const KEPT_HEADERS =
  /^(tensorflow\/c\/|xla\/tsl\/c\/|.*\/next_pluggable_device\/c\/|.*\/platform\/(ctstring|platform\.h))/;

/** Raised when `isKept` keeps more: libraries unpacked by an older version are unpacked anew. */
const LIBRARIES_LAYOUT = 2;

/** Free bytes a fresh installation needs in the cache folder: the download beside what is unpacked. */
export const bytesNeeded = (pin: WheelPin): number => pin.bytes + pin.unpackedBytes + 100_000_000;

/** Throws one DeviceError that lists everything missing, before anything is fetched. */
async function checkPrerequisites(pin: WheelPin, cache: string, hasLibraries: boolean): Promise<void> {
  const faults: string[] = [];
  if (findCompiler() === undefined) faults.push(`no C++ compiler was found: ${COMPILER_FIX}.`);
  if (!hasLibraries) {
    if (pin.companions.length > 0 && !existsSync('/proc/driver/nvidia/version')) {
      faults.push('no NVIDIA driver is loaded: install it, or use --device cpu.');
    }
    const pip = findPip();
    if (typeof pip === 'string') faults.push(pip);
    const { bavail, bsize } = await statfs(cache);
    const free = bavail * bsize;
    if (free < bytesNeeded(pin)) {
      const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
      faults.push(
        `${cache} has ${gigabytes(free)} free, ${gigabytes(bytesNeeded(pin))} are needed: ` +
          'free some space, or set XDG_CACHE_HOME to a folder on another disk.',
      );
    }
  }
  if (faults.length > 0) {
    throw new DeviceError(`the native engine cannot be installed yet:\n  ${faults.join('\n  ')}`, { faults });
  }
}

/** Clears folders that a killed installation left. Only called with the lock held, so nobody is using them. */
function clearLeftovers(cache: string, key: string): void {
  for (const name of readdirSync(cache)) {
    if (name.startsWith(`.tmp-${key}-`)) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function hasWholeLibraries(root: string): boolean {
  try {
    const { layout } = JSON.parse(readFileSync(join(root, 'libraries.json'), 'utf8')) as { layout?: unknown };
    return (
      layout === LIBRARIES_LAYOUT && TENSORFLOW_LIBRARIES.every((name) => existsSync(join(root, 'tensorflow', name)))
    );
  } catch {
    return false;
  }
}

/**
 * Installs the native engine for `device` into the user's cache folder, or returns at once when it is there.
 * Throws DeviceError naming each missing prerequisite (platform, compiler, pip, disk, npm package), a failed download or
 * hash, the compiler's errors, or a self-test that does not agree with the reference engine.
 */
export async function installNative(options: InstallOptions): Promise<NativeInstall> {
  const { device, onProgress, force = false } = options;
  const pin = wheelFor(device);
  const present = force ? undefined : findNative(device);
  if (present !== undefined) {
    onProgress?.({ phase: 'done' });
    return present;
  }
  const sources = bindingSources();
  const cache = engineCache();
  const root = engineDir(device);
  const key = root.slice(dirname(root).length + 1);
  try {
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new DeviceError(
      `${cache} cannot be made (${messageOf(error)}): set XDG_CACHE_HOME to a folder you can write.`,
    );
  }
  await withLock(
    join(cache, `.lock-${key}`),
    async () => {
      clearLeftovers(cache, key);
      if (!force && findNative(device) !== undefined) return; // another process installed it while this one waited
      await checkPrerequisites(pin, cache, !force && hasWholeLibraries(root));
      const scratch = join(cache, `.tmp-${key}-${process.pid}`);
      mkdirSync(scratch);
      try {
        if (force || !hasWholeLibraries(root)) await installLibraries(pin, cache, root, scratch, onProgress);
        onProgress?.({ phase: 'compile' });
        const binding = join(root, 'bindings', sources.hash);
        // Compiled as deep below the engine's folder as it will lie, so that its path to the libraries holds meanwhile.
        mkdirSync(join(root, 'bindings'), { recursive: true });
        const compiled = join(root, 'bindings', `.tmp-${process.pid}`);
        rmSync(compiled, { recursive: true, force: true });
        mkdirSync(compiled);
        try {
          const file = join(compiled, 'tfjs_binding.node');
          await compileBinding(sources, root, file);
          onProgress?.({ phase: 'test' });
          await runSelfTest(file);
          writeFileSync(
            join(compiled, 'binding.json'),
            `${JSON.stringify({ tensorflow: TENSORFLOW_VERSION, device, bytes: statSync(file).size })}\n`,
          );
          rmSync(binding, { recursive: true, force: true });
          renameSync(compiled, binding);
        } finally {
          rmSync(compiled, { recursive: true, force: true });
        }
        clearOldBindings(root, sources.hash);
        rmSync(join(cache, 'downloads', key), { recursive: true, force: true });
      } finally {
        rmSync(scratch, { recursive: true, force: true });
      }
    },
    () => onProgress?.({ phase: 'wait' }),
  );
  const installed = findNative(device);
  if (installed === undefined) throw new DeviceError(`${root}: not whole after the installation; run it again.`);
  onProgress?.({ phase: 'done' });
  return installed;
}

async function installLibraries(
  pin: WheelPin,
  cache: string,
  root: string,
  scratch: string,
  onProgress?: (progress: InstallProgress) => void,
): Promise<void> {
  const fetch = {
    folder: join(cache, 'downloads', root.slice(dirname(root).length + 1)),
    scratch,
    onBytes: (bytes: number) => onProgress?.({ phase: 'download', done: Math.min(bytes, pin.bytes), total: pin.bytes }),
  };
  onProgress?.({ phase: 'download', done: 0, total: pin.bytes });
  const wheel = await fetchWheel(pin, fetch);
  const companions = await fetchCompanions(pin, fetch);
  const unpacked = join(scratch, 'root');
  let done = 0;
  let shown = 0;
  const count = (bytes: number): void => {
    done += bytes;
    if (done - shown < 32_000_000) return;
    shown = done;
    onProgress?.({ phase: 'unpack', done, total: Math.max(done, pin.unpackedBytes) });
  };
  const names = await unpackWheel(wheel.file, unpacked, isKept, count);
  for (const file of companions) await unpackWheel(file, unpacked, isCudaLibrary, count);
  const missing = TENSORFLOW_LIBRARIES.filter((library) => !names.includes(`tensorflow/${library}`));
  if (missing.length > 0) throw new DeviceError(`${wheel.file}: has no ${missing.join(', ')}.`);
  writeFileSync(
    join(unpacked, 'libraries.json'),
    `${JSON.stringify({ layout: LIBRARIES_LAYOUT, tensorflow: TENSORFLOW_VERSION, project: pin.project, sha256: pin.sha256 })}\n`,
  );
  if (existsSync(root)) renameSync(root, join(scratch, 'replaced'));
  renameSync(unpacked, root);
}

/** Keeps the binding just made and the four newest others: checkouts of other versions share the folder. */
function clearOldBindings(root: string, hash: string): void {
  const folder = join(root, 'bindings');
  const others = readdirSync(folder)
    .filter((name) => name !== hash && (!name.startsWith('.tmp-') || !isRunning(Number(name.slice(5)))))
    .map((name) => ({ name, made: statSync(join(folder, name)).mtimeMs, isWhole: !name.startsWith('.') }))
    .sort((a, b) => b.made - a.made);
  const kept = new Set(
    others
      .filter(({ isWhole }) => isWhole)
      .slice(0, 4)
      .map(({ name }) => name),
  );
  for (const { name } of others) if (!kept.has(name)) rmSync(join(folder, name), { recursive: true, force: true });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
