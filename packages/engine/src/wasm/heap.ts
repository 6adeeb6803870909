/**
 * The embedded engine's memory. TensorFlow.js' SIMD build brings its own, private memory; here its one memory declaration is
 * marked *shared* before the module is compiled, so that our kernels and their worker threads compute on its tensors in place.
 * Nothing else of the module is changed.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as tfjs from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { DeviceError } from '@unlabel/core';

type Tf = typeof tfjs;
type BackendModule = BackendWasm['wasm'];
type Factory = (config: {
  instantiateWasm(
    imports: WebAssembly.Imports,
    receive: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object;
}) => Promise<BackendModule & { _malloc(bytes: number): number; _free(pointer: number): void }>;

/** The shared heap: every tensor of the engine lives in it, at a byte offset. */
export interface Heap {
  readonly memory: WebAssembly.Memory;
  /** Bytes at an offset, a multiple of 64; throws DeviceError when the 4 GB are used up. */
  malloc(bytes: number): number;
  free(pointer: number): void;
}

export interface ComplexParts {
  readonly real: tfjs.TensorInfo;
  readonly imag: tfjs.TensorInfo;
}

/** The stock backend, with complex numbers. */
export interface HeapBackend extends BackendWasm {
  makeComplex(real: tfjs.TensorInfo, imag: tfjs.TensorInfo): tfjs.TensorInfo;
  /** The two float32 tensors a complex one owns. */
  complexParts(info: tfjs.TensorInfo): ComplexParts;
}

const require = createRequire(import.meta.url);

/** Read an unsigned LEB128 number. */
function leb(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined || shift > 28) throw new DeviceError('the WASM module of TensorFlow.js cannot be read.');
    value |= (byte & 127) << shift;
    if (byte < 128) return [value >>> 0, at];
  }
}

/**
 * Mark the only memory of a module as shared. Limits flag 1 (has a maximum) becomes 3 (and is shared), as the threads proposal
 * of WebAssembly defines it.
 */
export function withSharedMemory(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(module);
  for (let at = 8; at < bytes.length;) {
    const id = bytes[at];
    const [size, body] = leb(bytes, at + 1);
    if (id === 5) {
      const [count, limits] = leb(bytes, body);
      if (count !== 1 || bytes[limits] !== 1) break;
      bytes[limits] = 3;
      return bytes;
    }
    at = body + size;
  }
  throw new DeviceError('the WASM module of TensorFlow.js declares its memory in an unknown way: use version 4.22.');
}

/** Start TensorFlow.js' WASM backend on a shared memory and return both. Needs no network: the files are in the package. */
export async function startBackend(tf: Tf): Promise<{ heap: Heap; backend: HeapBackend }> {
  const { BackendWasm: Stock } = require('@tensorflow/tfjs-backend-wasm') as { BackendWasm: typeof BackendWasm };
  const factory = require('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js') as Factory;
  const file = require.resolve('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm');
  const compiled = new WebAssembly.Module(withSharedMemory(readFileSync(file)));
  let memory: WebAssembly.Memory | undefined;

  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const before = events.map((event) => new Set(process.listeners(event as 'uncaughtException')));
  const wasm = await factory({
    instantiateWasm(imports, receive) {
      const instance = new WebAssembly.Instance(compiled, imports);
      memory = instance.exports['memory'] as WebAssembly.Memory;
      receive(instance, compiled);
      return instance.exports;
    },
  });
  // The module's start-up code rethrows every unhandled rejection of the process; that is the application's business.
  events.forEach((event, i) => {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      if (!before[i]!.has(listener)) process.removeListener(event, listener);
    }
  });
  if (!memory) throw new DeviceError('the WASM module of TensorFlow.js has no memory.');

  align(wasm);
  const wrapper = wasm as unknown as {
    cwrap(name: string, result: string | null, args: readonly string[]): (...args: number[]) => number;
  };
  const wrap = (name: string, result: 'number' | null, count: number): ((...args: number[]) => number) =>
    wrapper.cwrap(
      name,
      result,
      Array.from({ length: count }, () => 'number'),
    );
  wasm.tfjs = {
    init: wrap('init', null, 0),
    initWithThreadsCount: wrap('init_with_threads_count', null, 1),
    getThreadsCount: wrap('get_threads_count', 'number', 0),
    registerTensor: wrap('register_tensor', null, 3),
    disposeData: wrap('dispose_data', null, 1),
    dispose: wrap('dispose', null, 0),
  };
  const heap: Heap = { memory, malloc: (bytes) => wasm._malloc(bytes), free: (pointer) => wasm._free(pointer) };
  return { heap, backend: complexBackend(tf, Stock, wasm) };
}

/** A cache line: vectors of a tensor do not straddle two, and threads do not share one. */
const LINE = 64;

/** Let the module's allocator, as seen from JavaScript, give whole cache lines, and fail with a message. */
function align(wasm: { _malloc(bytes: number): number; _free(pointer: number): void }): void {
  const malloc = wasm._malloc.bind(wasm);
  const free = wasm._free.bind(wasm);
  const blocks = new Map<number, number>();
  wasm._malloc = (bytes) => {
    const block = malloc(bytes + LINE) >>> 0;
    if (block === 0) {
      throw new DeviceError(
        `the embedded engine has no room for another ${bytes} bytes (its heap ends at 4 GB): use a smaller batch, or the native engine.`,
      );
    }
    const pointer = Math.ceil(block / LINE) * LINE;
    blocks.set(pointer, block);
    return pointer;
  };
  // Pointers the module has allocated itself are freed as they are.
  wasm._free = (pointer) => {
    free(blocks.get(pointer) ?? pointer);
    blocks.delete(pointer);
  };
}

/** A complex tensor holds two float32 tensors and no memory of its own. */
function complexBackend(tf: Tf, Stock: typeof BackendWasm, wasm: BackendModule): HeapBackend {
  const parts = new WeakMap<object, ComplexParts>();

  class ComplexBackend extends Stock {
    makeComplex(real: tfjs.TensorInfo, imag: tfjs.TensorInfo): tfjs.TensorInfo {
      for (const part of [real, imag]) this.incRef(part.dataId);
      const info = this.makeOutput(real.shape, 'string'); // an entry without memory
      this.dataIdMap.get(info.dataId).dtype = 'complex64';
      parts.set(info.dataId, { real, imag });
      return { ...info, dtype: 'complex64' };
    }

    complexParts(info: tfjs.TensorInfo): ComplexParts {
      const found = parts.get(info.dataId);
      if (!found) throw new DeviceError(`expected a complex64 tensor, found ${info.dtype} [${info.shape.join(', ')}].`);
      return found;
    }

    override readSync(dataId: object, start?: number, end?: number): tfjs.backend_util.BackendValues {
      const complex = parts.get(dataId);
      if (!complex) return super.readSync(dataId, start, end);
      const [real, imag] = [complex.real, complex.imag].map((part) => super.readSync(part.dataId) as Float32Array);
      return tf.backend_util.mergeRealAndImagArrays(real!, imag!);
    }

    override disposeData(dataId: object, force = false): boolean {
      const complex = parts.get(dataId);
      const isGone = super.disposeData(dataId, force);
      if (complex && isGone) {
        parts.delete(dataId);
        for (const part of [complex.real, complex.imag]) super.disposeData(part.dataId);
      }
      return isGone;
    }
  }
  return new ComplexBackend(wasm);
}
