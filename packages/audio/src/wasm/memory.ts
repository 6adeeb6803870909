/**
 * The kernels' instance and its memory, one of each per thread. Tables are allocated once and kept; scratch space is shared
 * by all callers, since no kernel is suspended between filling and reading it.
 */
import { DeviceError } from '@unlabel/core';
import { encodeModule } from './assembler.ts';
import { kernelFunctions } from './kernels.ts';

/** What is used of the runtime's WebAssembly; the DOM's types would bring the whole browser along. */
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

type Kernel = (...args: number[]) => void;

export interface Kernels {
  windowPair(a: number, b: number, w: number, out: number, n: number): void;
  pass4(x: number, y: number, m: number, s: number, twiddles: number): void;
  lastPass2(x: number, y: number, s: number): void;
  powerPair(z: number, twiddles: number, half: number, out: number): void;
  powerPairInOrder(z: number, twiddles: number, half: number, out: number): void;
  sqrtPair(x: number, n: number): void;
  bankPair(rows: number, weights: number, spectrum: number, out: number, n: number): void;
  resamplePeriods(
    audio: number,
    firsts: number,
    weights: number,
    out: number,
    q: number,
    tapBytes: number,
    strideBytes: number,
    periods: number,
  ): void;
}

export interface WasmMemory {
  readonly kernels: Kernels;
  /** Memory that is never given back, 16-byte aligned: for tables. Returns its address. */
  allocate(bytes: number): number;
  /** Views of all memory, valid until the next `allocate` or `scratch`. */
  readonly f32: Float32Array;
  readonly f64: Float64Array;
  readonly i32: Int32Array;
  /** Address of scratch space of at least so many bytes; its content lasts until anyone else asks for some. */
  scratch(bytes: number): number;
}

const PAGE = 65536;
let shared: WasmMemory | undefined;

/** This thread's kernels. @throws DeviceError when the runtime has no WebAssembly SIMD (Node ≥ 16 has) */
export function wasmMemory(): WasmMemory {
  if (shared) return shared;
  const memory = new WebAssembly.Memory({ initial: 16 });
  let exports: Readonly<Record<string, unknown>>;
  try {
    const module = new WebAssembly.Module(encodeModule(kernelFunctions));
    exports = new WebAssembly.Instance(module, { env: { memory } }).exports;
  } catch (cause) {
    throw new DeviceError('audio: this runtime has no WebAssembly SIMD. Use Node 20 or newer.', { cause });
  }
  let top = 16;
  let scratchAt = 0;
  let scratchBytes = 0;
  let [f32, f64, ints] = views();
  function views(): [Float32Array, Float64Array, Int32Array] {
    return [new Float32Array(memory.buffer), new Float64Array(memory.buffer), new Int32Array(memory.buffer)];
  }
  const allocate = (bytes: number): number => {
    const address = top;
    top += Math.ceil(bytes / 16) * 16;
    const missing = top - memory.buffer.byteLength;
    if (missing > 0) {
      memory.grow(Math.ceil(missing / PAGE));
      [f32, f64, ints] = views();
    }
    return address;
  };
  shared = {
    kernels: exports as Record<keyof Kernels, Kernel>,
    allocate,
    get f32() {
      return f32;
    },
    get f64() {
      return f64;
    },
    get i32() {
      return ints;
    },
    scratch(bytes) {
      if (bytes > scratchBytes) {
        scratchBytes = Math.max(bytes, 2 * scratchBytes, 4 * PAGE);
        scratchAt = allocate(scratchBytes); // the smaller one before is left behind: at most as much again in all
      }
      return scratchAt;
    },
  };
  return shared;
}
