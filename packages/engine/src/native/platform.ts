/**
 * What the native engine is made of, for which platforms, and where it is kept: TensorFlow's shared libraries from its
 * PyPI wheel, and a Node-API binding compiled on the user's machine.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { DeviceError } from '@unlabel/core';

export type NativeDevice = 'cpu' | 'cuda';

export const TENSORFLOW_VERSION = '2.21.0';

/** One wheel: its project on PyPI, the platform tag asked for, and the sha256 it must have. */
export interface WheelPin {
  readonly project: string;
  readonly tag: string;
  readonly sha256: string;
  /** More wheels whose libraries are needed, as pip requirements, and the tags they may have. */
  readonly companions: readonly string[];
  readonly companionTags: readonly string[];
  /** Bytes to download and bytes on disk afterwards, companions included, for progress and the check of free space. */
  readonly bytes: number;
  readonly unpackedBytes: number;
}

/**
 * The wheels by `<platform>-<arch>-<device>`. The same Python tag (cp311) is asked for whatever Python runs pip: the
 * libraries inside do not depend on it, and one file can be pinned by its hash.
 */
const wheels: Readonly<Record<string, WheelPin>> = {
  'linux-x64-cpu': {
    project: 'tensorflow-cpu',
    tag: 'manylinux_2_27_x86_64',
    sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
    companions: [],
    companionTags: [],
    bytes: 273_829_956,
    unpackedBytes: 855_000_000,
  },
  // Not run on a GPU yet. The companions are the wheel's own and-cuda extra, without the compiler (nvcc), which only XLA calls.
  'linux-x64-cuda': {
    project: 'tensorflow',
    tag: 'manylinux_2_27_x86_64',
    sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
    companions: [
      'nvidia-cublas-cu12>=12.5.3.2,<13.0',
      'nvidia-cuda-cupti-cu12>=12.5.82,<13.0',
      'nvidia-cuda-nvrtc-cu12>=12.5.82,<13.0',
      'nvidia-cuda-runtime-cu12>=12.5.82,<13.0',
      'nvidia-cudnn-cu12>=9.3.0.75,<10.0',
      'nvidia-cufft-cu12>=11.2.3.61,<12.0',
      'nvidia-curand-cu12>=10.3.6.82,<11.0',
      'nvidia-cusolver-cu12>=11.6.3.83,<12.0',
      'nvidia-cusparse-cu12>=12.5.1.3,<13.0',
      'nvidia-nccl-cu12>=2.27.7,<3.0',
      'nvidia-nvjitlink-cu12>=12.5.82,<13.0',
    ],
    companionTags: ['manylinux_2_27_x86_64', 'manylinux_2_18_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64'],
    bytes: 3_500_000_000,
    unpackedBytes: 6_000_000_000,
  },
};

/** The wheel for a device on this machine. Throws DeviceError naming what is supported. */
export function wheelFor(device: NativeDevice, platform = process.platform, arch = process.arch): WheelPin {
  const pin = wheels[`${platform}-${arch}-${device}`];
  if (pin !== undefined) return pin;
  throw new DeviceError(
    `no native engine for ${platform} ${arch} with device ${device}: expected one of ${Object.keys(wheels).join(', ')}. ` +
      'Use the embedded engine (wasm), which needs nothing.',
  );
}

/** The folder all checkouts share: $XDG_CACHE_HOME (or ~/.cache)/unlabel/engine. */
export function engineCache(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env['XDG_CACHE_HOME'];
  return join(xdg !== undefined && xdg.startsWith('/') ? xdg : join(homedir(), '.cache'), 'unlabel', 'engine');
}

/** Folder of one engine: TensorFlow's libraries and headers, and below it the bindings compiled against them. */
export function engineDir(device: NativeDevice, env: NodeJS.ProcessEnv = process.env): string {
  return join(engineCache(env), `${TENSORFLOW_VERSION}-${device}-${process.platform}-${process.arch}`);
}

const require = createRequire(import.meta.url);

/** Root folder of an npm package this one depends on, or undefined when it is not installed. */
export function packageDir(name: string): string | undefined {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** Version of an installed npm package, '' when it is not there. */
export function packageVersion(name: string): string {
  const dir = packageDir(name);
  return dir === undefined ? '' : String((require(join(dir, 'package.json')) as { version?: unknown }).version);
}

/** A folder of this package's own C++ sources, found from `src` and from `dist`. */
const ownSources = (folder: string): string =>
  join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'src', 'native', folder);

export interface BindingSources {
  /** Every .cc file, absolute: tfjs-node's, and this package's kernels. */
  readonly files: readonly string[];
  readonly opsFiles: readonly string[];
  /** What is loaded before the binding, a module of its own. */
  readonly preload: string;
  /** Include folders besides the wheel's. */
  readonly include: readonly string[];
  /** Short hash of all sources and flags: the name of the binding's folder. */
  readonly hash: string;
}

/** The loops of this package's own kernels are vectorised, roots and comparisons included, which takes these; tfjs-node's binding has none. */
export const OPS_FLAGS: readonly string[] = ['-O3', '-fno-math-errno', '-fno-trapping-math'];
export const COMPILE_FLAGS: readonly string[] = ['-std=c++17', '-O2', '-fPIC', '-DNAPI_VERSION=8'];

/** What is compiled. Throws DeviceError when an npm package it needs is missing. */
export function bindingSources(): BindingSources {
  const tfjsNode = packageDir('@tensorflow/tfjs-node-gpu');
  const nodeApi = packageDir('node-api-headers');
  const missing = [
    ...(tfjsNode === undefined ? ['@tensorflow/tfjs-node-gpu'] : []),
    ...(nodeApi === undefined ? ['node-api-headers'] : []),
  ];
  if (tfjsNode === undefined || nodeApi === undefined) {
    throw new DeviceError(`the native engine needs the npm packages ${missing.join(' and ')}: run npm install.`);
  }
  const binding = join(tfjsNode, 'binding');
  const ops = ownSources('ops');
  const preload = join(ownSources('preload'), 'preload.cc');
  const listing = (dir: string): string[] =>
    existsSync(dir)
      ? readdirSync(dir)
          .filter((name) => /\.(cc|h)$/.test(name))
          .sort()
          .map((name) => join(dir, name))
      : [];
  const own = listing(ops);
  const all = [...listing(binding), ...own, preload];
  const hash = createHash('sha256').update([...COMPILE_FLAGS, ...OPS_FLAGS].join(' '));
  for (const file of all) hash.update(readFileSync(file));
  return {
    files: listing(binding).filter((file) => file.endsWith('.cc')),
    preload,
    opsFiles: own.filter((file) => file.endsWith('.cc')),
    include: [join(nodeApi, 'include'), binding, ops],
    hash: hash.digest('hex').slice(0, 12),
  };
}
