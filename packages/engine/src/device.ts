/** What computed a result: recorded with it, and printed when a run starts. */
import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

import { findNative } from './native/load.ts';
import { TENSORFLOW_VERSION, packageVersion } from './native/platform.ts';

export interface DeviceInfo {
  /** Version of what computes: TensorFlow's for the native engine, TensorFlow.js' otherwise. */
  readonly version: string;
  /** CPU model or GPU name. */
  readonly device: string;
  /** Threads one operation may use. */
  readonly threads: number;
  readonly precision: 'float32' | 'bf16';
  readonly deterministic: boolean;
  /** Node's version. */
  readonly node: string;
  readonly platform: string;
  /** Memory of the machine in bytes. */
  readonly memory: number;
}

export interface DescribeOptions {
  readonly threads?: number;
  readonly precision?: 'float32' | 'bf16';
  readonly deterministic?: boolean;
}

function cpuModel(): string {
  const model = cpus()[0]?.model.trim();
  return model === undefined || model === '' ? process.arch : model;
}

/** Name of the first NVIDIA GPU as the kernel driver tells it, one folder per bus address; undefined without one. */
function gpuModel(): string | undefined {
  const folder = '/proc/driver/nvidia/gpus';
  try {
    for (const address of readdirSync(folder).sort()) {
      const text = readFileSync(`${folder}/${address}/information`, 'utf8');
      const model = /^Model:\s*(.+)$/m.exec(text)?.[1];
      if (model !== undefined) return model;
    }
  } catch {
    // no driver
  }
  return undefined;
}

/** Describes the machine as `engine` uses it with these options. */
export function describeDevice(engine: 'tensorflow' | 'wasm' | 'cpu', options: DescribeOptions = {}): DeviceInfo {
  const isNative = engine === 'tensorflow';
  const threads = options.threads ?? availableParallelism();
  return {
    version: isNative ? TENSORFLOW_VERSION : packageVersion('@tensorflow/tfjs'),
    device: (isNative && findNative()?.device === 'cuda' ? gpuModel() : undefined) ?? cpuModel(),
    threads: engine === 'cpu' ? 1 : threads,
    precision: isNative ? (options.precision ?? 'float32') : 'float32',
    deterministic: !isNative || options.deterministic === true,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    memory: totalmem(),
  };
}
