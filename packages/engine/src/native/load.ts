/**
 * Finds and loads the native engine: `@tensorflow/tfjs-node-gpu`'s JavaScript bound to the binding that `install.ts`
 * compiled. Its own entry file is not used, because that looks for a binding inside node_modules.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import util from 'node:util';

import type * as tfjs from '@tensorflow/tfjs-core';
import { DeviceError, messageOf } from '@unlabel/core';

import { hasBfloat16Mode, proveBfloat16 } from './bfloat16.ts';
import { TENSORFLOW_LIBRARIES, preloadOf } from './compile.ts';
import { registerNativeKernels } from './kernels.ts';
import type { NativeDevice } from './platform.ts';
import { TENSORFLOW_VERSION, bindingSources, engineDir, packageDir } from './platform.ts';

const require = createRequire(import.meta.url);

export interface NativeInstall {
  readonly device: NativeDevice;
  readonly tensorflow: string;
  /** Folder with TensorFlow's libraries. */
  readonly root: string;
  /** The compiled binding. */
  readonly binding: string;
}

export interface NativeOptions {
  /** Threads of one operation; all of TensorFlow's choice when left out. */
  readonly threads?: number;
  /** `bf16` rounds products' operands to bfloat16 (`bfloat16.ts`); it changes numbers. */
  readonly precision?: 'float32' | 'bf16';
  /** Same bytes on every run: deterministic kernels and a fixed number of threads (`threads`, or one a core). */
  readonly deterministic?: boolean;
}

/**
 * The installed native engine of a device, or of whichever is there (cuda before cpu). Looks at a few files; loads nothing.
 * An installation whose binding was compiled from other sources than this package's does not count.
 */
export function findNative(device?: NativeDevice): NativeInstall | undefined {
  let hash: string;
  try {
    hash = bindingSources().hash;
  } catch {
    return undefined; // an npm package is missing: nothing to bind
  }
  for (const candidate of device === undefined ? (['cuda', 'cpu'] as const) : [device]) {
    const root = engineDir(candidate);
    const binding = join(root, 'bindings', hash, 'tfjs_binding.node');
    if (isWhole(root, binding)) return { device: candidate, tensorflow: TENSORFLOW_VERSION, root, binding };
  }
  return undefined;
}

function isWhole(root: string, binding: string): boolean {
  try {
    const { bytes } = JSON.parse(readFileSync(join(binding, '..', 'binding.json'), 'utf8')) as { bytes?: unknown };
    return (
      statSync(binding).size === bytes &&
      existsSync(preloadOf(binding)) &&
      TENSORFLOW_LIBRARIES.every((name) => existsSync(join(root, 'tensorflow', name)))
    );
  } catch {
    return false;
  }
}

/** Environment variables that carry the options; TensorFlow reads them while it is being loaded. */
export function engineEnvironment(options: NativeOptions, cpuinfo?: string): Readonly<Record<string, string>> {
  const threads = options.threads ?? (options.deterministic === true ? availableParallelism() : undefined);
  return {
    TF_CPP_MIN_LOG_LEVEL: '2',
    // TensorFlow leaves oneDNN off on CPUs without AVX-512 VNNI (AMD before Zen 4, most desktops): convolutions there are twice
    // as fast with it, and its allocator keeps large buffers, which spares their page faults at every operation.
    TF_ENABLE_ONEDNN_OPTS: '1',
    // The thread that calls an operation does a share of it, where it would wait for the others: 5 % of a ResNet-50 on two cores.
    TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD: '1',
    ...(threads === undefined ? {} : { TF_NUM_INTRAOP_THREADS: String(threads), OMP_NUM_THREADS: String(threads) }),
    ...(options.precision === 'bf16' && hasBfloat16Mode(cpuinfo) ? { TF_SET_ONEDNN_FPMATH_MODE: 'BF16' } : {}),
    ...(options.deterministic === true ? { TF_DETERMINISTIC_OPS: '1' } : {}),
  };
}

/**
 * tfjs-node 4.22 calls two functions of `util` that Node 23 dropped (tensorflow/tfjs#8609, fixed there but not released) or
 * warns about.
 */
function restoreNodeUtil(): void {
  const legacy = util as unknown as Record<string, unknown>; // the types no longer know them
  legacy['isNullOrUndefined'] = (value: unknown): boolean => value === null || value === undefined;
  legacy['isArray'] = Array.isArray;
}

/** What of tfjs-node's backend module is used here. */
interface NodeBackendModule {
  readonly NodeJSKernelBackend: new (binding: unknown, packageName: string) => tfjs.KernelBackend;
}

let loadedBinding: string | undefined;

/**
 * Loads TensorFlow and makes 'tensorflow' the current backend of `tf`, which must be the CommonJS `@tensorflow/tfjs` that
 * tfjs-node requires too. Once per process: later calls do nothing. One thread per process may load it (the binding keeps
 * process-wide state), so use worker processes, not worker threads.
 * Throws DeviceError when it cannot be loaded.
 */
export function loadNative(
  tf: typeof tfjs,
  install: Pick<NativeInstall, 'binding'>,
  options: NativeOptions = {},
): void {
  if (loadedBinding !== undefined) return;
  for (const [name, value] of Object.entries(engineEnvironment(options))) process.env[name] ??= value;
  restoreNodeUtil();
  try {
    require(preloadOf(install.binding));
    const native: unknown = require(install.binding);
    const dist = join(packageDir('@tensorflow/tfjs-node-gpu') ?? '', 'dist');
    require(join(dist, 'register_all_kernels.js'));
    const { NodeJSKernelBackend } = require(join(dist, 'nodejs_kernel_backend.js')) as NodeBackendModule;
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(native, '@tensorflow/tfjs-node-gpu'), 3);
    // The backend's constructor is synchronous, so the switch is done when the call returns.
    void tf.setBackend('tensorflow');
    registerNativeKernels(tf, { bfloat16: options.precision === 'bf16' });
    loadedBinding = install.binding;
  } catch (error) {
    throw new DeviceError(
      `the native engine is installed but cannot be loaded (${messageOf(error)}). ` +
        'Run `unlabel engine doctor`, or `unlabel engine install --force`.',
      { cause: error },
    );
  }
  if (options.precision === 'bf16') proveBfloat16(tf);
}
