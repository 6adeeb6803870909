/** What `unlabel engine ls` and `unlabel engine doctor` show: which engines are there, and what stands in the way of each. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { messageOf } from '@unlabel/core';

import { COMPILER_FIX, findCompiler } from './compile.ts';
import { bytesNeeded } from './install.ts';
import { findNative } from './load.ts';
import { findPip } from './pip.ts';
import type { NativeDevice } from './platform.ts';
import { TENSORFLOW_VERSION, bindingSources, engineCache, packageVersion, wheelFor } from './platform.ts';
import { runSelfTest } from './self-test.ts';

export interface EngineListing {
  readonly id: 'tensorflow-cuda' | 'tensorflow-cpu' | 'wasm' | 'cpu';
  readonly isInstalled: boolean;
  readonly version: string;
  readonly note: string;
}

/** Every engine, in the order in which one is chosen. */
export function listEngines(): readonly EngineListing[] {
  const native = (device: NativeDevice, note: string): EngineListing => {
    const found = findNative(device);
    return {
      id: `tensorflow-${device}`,
      isInstalled: found !== undefined,
      version: TENSORFLOW_VERSION,
      note: found === undefined ? `${note}; unlabel engine install --device ${device}` : found.root,
    };
  };
  const wasm = packageVersion('@tensorflow/tfjs-backend-wasm');
  return [
    native('cuda', 'native, NVIDIA GPU (untested)'),
    native('cpu', 'native'),
    { id: 'wasm', isInstalled: wasm !== '', version: wasm, note: 'embedded, needs nothing' },
    { id: 'cpu', isInstalled: true, version: packageVersion('@tensorflow/tfjs'), note: 'plain JavaScript, for tests' },
  ];
}

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do when it is not ok; '' otherwise. */
  readonly fix: string;
}

/** Each prerequisite of the native engine, and whether the installed one still passes its self-test. */
export async function doctor(device: NativeDevice = 'cpu'): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const add = (name: string, ok: boolean, detail: string, fix: string): void => {
    checks.push({ name, ok, detail, fix: ok ? '' : fix });
  };
  let pin: ReturnType<typeof wheelFor> | undefined;
  try {
    pin = wheelFor(device);
    add('platform', true, `${process.platform} ${process.arch}, Node ${process.versions.node}`, '');
  } catch (error) {
    add('platform', false, messageOf(error), 'use the embedded engine (wasm)');
  }
  try {
    add('npm packages', true, `${bindingSources().files.length} sources`, '');
  } catch (error) {
    add('npm packages', false, messageOf(error), 'npm install');
  }
  const compiler = findCompiler();
  add('compiler', compiler !== undefined, compiler?.version ?? 'none found', COMPILER_FIX);
  const pip = findPip();
  if (typeof pip === 'string') add('pip', false, 'not usable', pip);
  else add('pip', true, pip.version, '');
  const installed = findNative(device);
  if (installed === undefined && pin !== undefined) {
    let folder = engineCache();
    while (!existsSync(folder)) folder = dirname(folder);
    const { bavail, bsize } = await statfs(folder);
    const [free, needed] = [bavail * bsize, bytesNeeded(pin)].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`);
    const detail = `${free} free in ${folder}, ${needed} needed`;
    add('disk', bavail * bsize >= bytesNeeded(pin), detail, 'free some space or set XDG_CACHE_HOME to another disk');
  }
  if (installed === undefined) {
    add('native engine', false, 'not installed', `unlabel engine install --device ${device}`);
  } else {
    try {
      await runSelfTest(installed.binding);
      add('native engine', true, `TensorFlow ${installed.tensorflow} in ${installed.root}, self-test passed`, '');
    } catch (error) {
      add('native engine', false, messageOf(error), `unlabel engine install --device ${device} --force`);
    }
  }
  return checks;
}
