/**
 * Which engine computes, chosen once a process and recorded in every result: `tensorflow` (native) → `wasm` (embedded) →
 * `cpu` (tests only). Everything else imports `tf` from here.
 */
import { createRequire } from 'node:module';
import type * as tfjs from '@tensorflow/tfjs-core';
import { ConfigError, DeviceError } from '@unlabel/core';
import { describeDevice, type DeviceInfo } from './device.ts';
import { checkBfloat16 } from './native/bfloat16.ts';
import { findNative, loadNative } from './native/load.ts';
import { loadWasm } from './wasm/load.ts';

/**
 * TensorFlow.js. Loaded as CommonJS from `@tensorflow/tfjs`: `@tensorflow/tfjs-core` alone has no gradients under Node, and the
 * native binding requires the same instance.
 */
export const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as typeof tfjs;

export const engineNames = ['tensorflow', 'wasm', 'cpu'] as const;
export type EngineName = (typeof engineNames)[number];

export interface EngineOptions {
  /** `auto` (default) takes the native engine when it is installed, else the embedded one. */
  readonly engine?: EngineName | 'auto';
  /** Compute threads; default: all cores. */
  readonly threads?: number;
  /** `bf16` multiplies matrices in bfloat16; refused where it cannot (another engine, a CPU without). Changes numbers. */
  readonly precision?: 'float32' | 'bf16';
  /** Fixed reduction orders: same seed, same bytes (native: TF_DETERMINISTIC_OPS). */
  readonly deterministic?: boolean;
}

export interface EngineInfo extends DeviceInfo {
  readonly engine: EngineName;
  /** Why this one. */
  readonly reason: string;
}

let chosen: Promise<EngineInfo> | undefined;

/** Choose and start the engine. The first call decides for the process; a later call for another engine is refused. */
export async function useEngine(options: EngineOptions = {}): Promise<EngineInfo> {
  chosen ??= start(options);
  const info = await chosen;
  const wanted = options.engine ?? 'auto';
  if (wanted !== 'auto' && wanted !== info.engine) {
    throw new ConfigError(`engine ${wanted} was asked for, but this process already computes on ${info.engine}.`);
  }
  return info;
}

async function start(options: EngineOptions): Promise<EngineInfo> {
  const wanted = options.engine ?? 'auto';
  if (wanted !== 'auto' && !engineNames.includes(wanted)) {
    throw new ConfigError(`unknown engine "${String(wanted)}": expected auto, ${engineNames.join(', ')}.`);
  }
  const native = wanted === 'auto' || wanted === 'tensorflow' ? findNative() : undefined;
  if (wanted === 'tensorflow' && !native) {
    throw new DeviceError('the native engine is not installed. Run: npx unlabel engine install');
  }
  if (options.precision === 'bf16')
    checkBfloat16(native ? `tensorflow-${native.device}` : wanted === 'cpu' ? 'cpu' : 'wasm');
  if (native) {
    loadNative(tf, native, options);
    return finish('tensorflow', options, wanted === 'auto' ? 'native engine installed' : 'asked for');
  }
  if (wanted === 'cpu') {
    await tf.setBackend('cpu');
    return finish('cpu', options, 'asked for');
  }
  await loadWasm(tf, options);
  return finish('wasm', options, wanted === 'auto' ? 'no native engine installed' : 'asked for');
}

async function finish(engine: EngineName, options: EngineOptions, reason: string): Promise<EngineInfo> {
  await tf.ready();
  return { ...describeDevice(engine, options), engine, reason };
}
