import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { DeviceError } from '@unlabel/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { doctor, listEngines } from './doctor.ts';
import { installNative, isCudaLibrary, isKept } from './install.ts';
import { engineEnvironment, findNative } from './load.ts';
import { fetchWheel } from './pip.ts';
import { engineCache, wheelFor } from './platform.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'install-'));
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A program that stands for Python with pip: answers --version, and runs `download` for a download. */
function fakePython(download: string): void {
  const program = join(folder, 'python');
  writeFileSync(
    program,
    `#!/bin/sh\nfor last; do [ "$last" = --version ] && { echo "pip 99.0 from nowhere"; exit 0; }; done\n` +
      `while [ $# -gt 0 ]; do [ "$1" = --dest ] && dest="$2"; shift; done\n${download}\n`,
  );
  chmodSync(program, 0o755);
  vi.stubEnv('UNLABEL_PYTHON', program);
}

const pin = { ...wheelFor('cpu', 'linux', 'x64'), tag: 'any', bytes: 10, unpackedBytes: 10 };
const name = 'tensorflow_cpu-2.21.0-cp311-cp311-any.whl';
/** sha256 of 'abc'. */
const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

describe('prerequisites', () => {
  test('everything missing is named in one error, before anything is fetched', async () => {
    vi.stubEnv('PATH', folder);
    const error: unknown = await installNative({ device: 'cpu' }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DeviceError);
    expect((error as DeviceError).faults).toHaveLength(2);
    expect((error as Error).message).toMatch(/C\+\+ compiler.*apt install g\+\+/s);
    expect((error as Error).message).toMatch(/no Python 3.*apt install python3-pip/s);
    expect(readdirSync(engineCache())).toEqual([]); // neither lock nor temporary folder
  });

  test('Python without pip is told apart from no Python', async () => {
    const program = join(folder, 'python3');
    writeFileSync(program, '#!/bin/sh\nexit 1\n');
    chmodSync(program, 0o755);
    vi.stubEnv('PATH', folder);
    await expect(installNative({ device: 'cpu' })).rejects.toThrow(/its pip is not/);
  });

  test('another platform is refused with the list of those there are', () => {
    expect(() => wheelFor('cpu', 'win32', 'x64')).toThrow(/win32 x64.*linux-x64-cpu.*embedded/s);
  });

  test('a cache folder that cannot be made is refused', async () => {
    writeFileSync(join(folder, 'cache'), 'a file');
    await expect(installNative({ device: 'cpu' })).rejects.toThrow(/XDG_CACHE_HOME/);
  });
});

describe('the download', () => {
  const fetched = (expected = sha256) =>
    fetchWheel({ ...pin, sha256: expected }, { folder: join(folder, 'downloads'), scratch: join(folder, 'scratch') });

  test('keeps the wheel, and does not fetch a whole one twice', async () => {
    fakePython(`printf abc > "$dest/${name}"`);
    const first = await fetched();
    expect(first).toEqual({ file: join(folder, 'downloads', name), isCached: false });
    fakePython('exit 1');
    expect(await fetched()).toEqual({ ...first, isCached: true });
  });

  test('replaces a damaged wheel left behind', async () => {
    mkdirSync(join(folder, 'downloads'));
    writeFileSync(join(folder, 'downloads', name), 'ab');
    fakePython(`printf abc > "$dest/${name}"`);
    expect((await fetched()).isCached).toBe(false);
  });

  test('refuses a file with another hash and keeps nothing', async () => {
    fakePython(`printf other > "$dest/${name}"`);
    await expect(fetched()).rejects.toThrow(/sha256 is .* expected ba78/);
    expect(readdirSync(join(folder, 'downloads'))).toEqual([]);
  });

  test('shows what pip said when it fails', async () => {
    fakePython('echo "ERROR: no such distribution" >&2; exit 1');
    await expect(fetched()).rejects.toThrow(/exit 1.*no such distribution/s);
  });
});

test('leftovers of a killed installation do not count as installed and are cleared by the next run', async () => {
  const key = `2.21.0-cpu-${process.platform}-${process.arch}`;
  const leftover = join(engineCache(), `.tmp-${key}-999999`);
  mkdirSync(join(leftover, 'root', 'tensorflow'), { recursive: true });
  mkdirSync(join(engineCache(), key, 'bindings', '.tmp-999999'), { recursive: true });
  writeFileSync(join(engineCache(), `.lock-${key}`), '999999 1');
  expect(findNative('cpu')).toBeUndefined();
  vi.stubEnv('PATH', folder);
  await expect(installNative({ device: 'cpu' })).rejects.toThrow(DeviceError);
  expect(existsSync(leftover)).toBe(false);
});

test('the libraries and the C headers are kept from the wheel, nothing else', () => {
  expect(isKept('tensorflow/libtensorflow_cc.so.2')).toBe(true);
  expect(isKept('tensorflow/include/tensorflow/c/eager/c_api.h')).toBe(true);
  expect(isKept('tensorflow/include/tsl/platform/ctstring_internal.h')).toBe(true);
  expect(isKept('tensorflow/include/tensorflow/core/framework/op_kernel.h')).toBe(false);
  expect(isKept('tensorflow/python/pywrap.so')).toBe(false);
});

test('CUDA’s libraries are kept from its wheels, nothing else', () => {
  expect(isCudaLibrary('nvidia/cublas/lib/libcublas.so.12')).toBe(true);
  expect(isCudaLibrary('nvidia/cudnn/lib/libcudnn_ops.so.9')).toBe(true);
  expect(isCudaLibrary('nvidia/cublas/include/cublas.h')).toBe(false);
  expect(isCudaLibrary('nvidia/../lib/x.so')).toBe(false);
});

test('options become the environment variables TensorFlow reads', () => {
  expect(engineEnvironment({})).toEqual({
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_ENABLE_ONEDNN_OPTS: '1',
    TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD: '1',
  });
  // oneDNN's convolutions, which gradients are, follow the mode on CPUs with AMX; what else is bfloat16 is ours
  const amx = engineEnvironment({ precision: 'bf16', threads: 2 }, 'flags : avx512_bf16 amx_bf16\n');
  expect(amx).toMatchObject({ TF_SET_ONEDNN_FPMATH_MODE: 'BF16', TF_NUM_INTRAOP_THREADS: '2' });
  expect(engineEnvironment({ precision: 'bf16' }, 'flags : avx512_bf16\n')).not.toHaveProperty(
    'TF_SET_ONEDNN_FPMATH_MODE',
  );
  expect(engineEnvironment({ deterministic: true })).toMatchObject({
    TF_DETERMINISTIC_OPS: '1',
    TF_NUM_INTRAOP_THREADS: String(availableParallelism()),
  });
});

test('every engine is listed, and the doctor names a fix for each failed check', async () => {
  expect(listEngines().map(({ id }) => id)).toEqual(['tensorflow-cuda', 'tensorflow-cpu', 'wasm', 'cpu']);
  vi.stubEnv('PATH', folder);
  const checks = await doctor('cpu');
  expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['compiler', 'pip', 'native engine']);
  for (const { ok, fix } of checks) expect(fix === '').toBe(ok);
});
