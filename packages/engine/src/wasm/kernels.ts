/**
 * Our own compiled kernels (`assembly/`) on the engine's heap, and the threads that run them.
 *
 * Three builds of the same sources: `wide` wants V8 to pair 128-bit operations into 256-bit ones (a V8 option, set only while
 * this module is compiled), `narrow` is for 128-bit registers, `plain` for engines without relaxed SIMD. `wide` and `narrow` add
 * the same products in the same order with the same rounding, so their results are equal byte for byte; a relaxed multiply-add is
 * fused on every x64 CPU with FMA, hence the same on one machine for ever. `plain` rounds products first and differs in last bits.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { DeviceError } from '@unlabel/core';
import { narrow, plain, wide } from './binaries.ts';
import type { Heap } from './heap.ts';
import { startWorkers } from './workers.ts';

/** Operations by number, as in `assembly/dispatch.ts`. */
export const operations = {
  packB: 0,
  gemm: 1,
  gemmSmall: 2,
  convolve: 3,
  convolveFilterGrad: 4,
  sumPartials: 5,
  packFilterTransposed: 6,
  moments: 7,
  momentsCombine: 8,
  scaleAndShift: 9,
  normalize: 10,
  normGradSums: 11,
  normGradCombine: 12,
  normGradApply: 13,
  poolForward: 14,
  poolGradSums: 15,
  poolGradApply: 16,
  columnSums: 17,
  columnSumsCombine: 18,
  rowSums: 19,
  maxMeanTime: 20,
  maxMeanTimeGrad: 21,
  sgdMomentum: 22,
  seededDropout: 23,
  reluGrad: 24,
  gemmFlat: 25,
  adamW: 26,
  maxPoolGrad: 27,
  packStrips: 28,
  listNonZeros: 29,
  sparseProduct: 30,
  sparseDots: 31,
} as const;

export type VariantName = 'wide' | 'narrow' | 'plain';

export interface Kernels {
  readonly variant: VariantName;
  /** Threads that compute, the main thread included. */
  readonly threads: number;
  /** Columns of a register tile: packed matrices are padded to a multiple. */
  readonly columns: number;
  /** Bytes of each thread's private scratch memory. */
  readonly scratchBytes: number;
  /** Run `chunks` chunks of an operation; returns when all are done. Float parameters go through `floatBits`. */
  run(operation: keyof typeof operations, parameters: readonly number[], chunks: number): void;
  /** A buffer of at least `bytes`, valid until the same name is asked for again. */
  buffer(name: string, bytes: number): number;
  /** A buffer of at least `bytes` zero bytes, never written to. */
  zeros(bytes: number): number;
  /** Stop the worker threads. */
  stop(): Promise<void>;
}

interface Exports {
  setScratch(at: number): void;
  run(control: number, operation: number, chunks: number, workers: number): number;
}

const SCRATCH_BYTES = 4 * 2 ** 20;
const CONTROL_BYTES = 1024;
const PARAMETERS = 260;

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

const binaries: Readonly<Record<VariantName, string>> = { wide, narrow, plain };
/** Older releases do not know the option and say so on the terminal. */
const canPair = Number(process.versions.v8.split('.')[0]) >= 13;

/** The 32 bits of a float32 as an integer. */
export function floatBits(value: number): number {
  floats[0] = value;
  return bits[0]!;
}

/** Compile at once by the optimizing compiler, with 256-bit pairing where V8 has it. */
function compile(variant: VariantName): WebAssembly.Module {
  const bytes = new Uint8Array(Buffer.from(binaries[variant], 'base64'));
  const flags = ['liftoff', 'wasm-lazy-compilation'];
  const isPaired = canPair && variant === 'wide';
  try {
    for (const flag of flags) setFlagsFromString(`--no-${flag}`);
    if (isPaired) setFlagsFromString('--experimental-wasm-revectorize');
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of flags) setFlagsFromString(`--${flag}`);
    if (isPaired) setFlagsFromString('--no-experimental-wasm-revectorize');
  }
}

const relaxedProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15,
  253, 128, 2, 11,
]);

/** Load the kernels, choose the build and start `threads − 1` workers. */
export async function loadKernels(heap: Heap, threads: number, wanted?: VariantName): Promise<Kernels> {
  const control = align(heap.malloc(CONTROL_BYTES + 128));
  const view = new Int32Array(heap.memory.buffer, control, CONTROL_BYTES / 4).fill(0);
  const scratch = Array.from({ length: threads }, () => align(heap.malloc(SCRATCH_BYTES + 128)));
  const instantiate = (module: WebAssembly.Module): Exports => {
    const { exports } = new WebAssembly.Instance(module, {
      env: {
        memory: heap.memory,
        abort: () => {
          throw new DeviceError('a kernel of the embedded engine failed.');
        },
      },
    });
    const typed = exports as unknown as Exports;
    typed.setScratch(scratch[0]!);
    return typed;
  };
  const candidates: VariantName[] = wanted
    ? [wanted]
    : WebAssembly.validate(relaxedProbe)
      ? ['wide', 'narrow']
      : ['plain'];
  const built = candidates.map((variant) => {
    const module = compile(variant);
    return { variant, module, exports: instantiate(module) };
  });
  const { variant, module, exports } = built.length > 1 ? faster(built, view, control, heap) : built[0]!;

  const workers = await startWorkers(module, heap.memory, control, scratch.slice(1));
  const buffers = new Map<string, { at: number; base: number; bytes: number }>();
  let zeros = { at: 0, bytes: 0 };
  const kernels: Kernels = {
    variant,
    threads,
    columns: variant === 'wide' ? 16 : 8,
    scratchBytes: SCRATCH_BYTES,
    run(operation, parameters, chunks) {
      if (chunks > MAX_CHUNKS) {
        throw new DeviceError(
          `${operation} in ${chunks} parts is too large for the embedded engine: use a smaller batch.`,
        );
      }
      view.set(parameters, PARAMETERS / 4);
      if (exports.run(control, operations[operation], chunks, workers.count) !== 0) {
        throw new DeviceError(`a compute thread of the embedded engine has died in ${operation}. Run with threads: 1.`);
      }
    },
    buffer(name, bytes) {
      const known = buffers.get(name);
      if (known && known.bytes >= bytes) return known.at;
      if (known) heap.free(known.base);
      const size = Math.ceil(bytes * (known ? 1.25 : 1)) + 256; // some slack, so that slowly growing needs settle
      const base = heap.malloc(size);
      const made = { at: align(base), base, bytes: size - 128 };
      buffers.set(name, made);
      return made.at;
    },
    zeros(bytes) {
      if (zeros.bytes < bytes) {
        if (zeros.at) heap.free(zeros.at);
        zeros = { at: heap.malloc(bytes), bytes };
        new Uint8Array(heap.memory.buffer, zeros.at, bytes).fill(0);
      }
      return zeros.at;
    },
    stop: () => workers.stop(view),
  };
  return kernels;
}

const MAX_CHUNKS = 2 ** 20 - 1;
const align = (at: number): number => Math.ceil(at / 128) * 128;

interface Built {
  readonly variant: VariantName;
  readonly module: WebAssembly.Module;
  readonly exports: Exports;
}

/** The build that multiplies faster. Both give the same bytes, so the clock decides about speed alone. */
function faster(built: readonly Built[], view: Int32Array, control: number, heap: Heap): Built {
  const n = 96;
  const at = heap.malloc(4 * n * n * 4);
  new Float32Array(heap.memory.buffer, at, 4 * n * n).fill(0);
  const [b, c, bias] = [1, 2, 3].map((i) => at + i * n * n * 4);
  view.set([at, n * 4, 0, b!, n, n, c!, n, bias!, floatBits(-Infinity), n, 1], PARAMETERS / 4);
  const times = built.map(({ exports }) => {
    let best = Infinity;
    for (let i = 0; i < 8; i++) {
      const start = performance.now();
      exports.run(control, operations.gemm, 1, 0);
      best = Math.min(best, performance.now() - start);
    }
    return best;
  });
  heap.free(at);
  return built[times.indexOf(Math.min(...times))]!;
}
