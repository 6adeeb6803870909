/**
 * Golden fixtures: `<name>.json` + `<name>.safetensors`, outputs of official implementations on weights and inputs that a hash
 * rule regenerates. A *target* is the project's code that computes a golden's outputs; packages export theirs from
 * `goldens.ts` and the harness collects them (`npm run goldens -- DIR`).
 */
import type { NdArray, TypedArray } from './nd-array.ts';
import { fmix32, fnv1a32 } from './rng.ts';
import { sizeOf } from './nd-array.ts';

export interface GoldenTolerance {
  readonly atol?: number;
  readonly rtol?: number;
}

export interface GoldenOutput extends GoldenTolerance {
  readonly name: string;
  readonly shape: readonly number[];
  readonly stride: number;
  readonly dtype: string;
}

/** The parsed json of a golden. Fields differ by family; a target reads what it knows and validates it. */
export interface GoldenFile {
  readonly name: string;
  readonly seed: number | string;
  readonly config?: unknown;
  readonly cases?: readonly unknown[];
  readonly outputs?: unknown;
  readonly scalars?: Readonly<Record<string, unknown>>;
  readonly params?: unknown;
  readonly [field: string]: unknown;
}

/** What a target returns: full, unstrided outputs by name. Scalars are numbers. */
export type GoldenOutputs = Readonly<Record<string, NdArray<TypedArray> | number>>;

export interface GoldenTools {
  /** Folder the golden lies in, for files it names (`wav/`, weights). */
  readonly dir: string;
  /** float32(scale · r(key, i)), row-major. */
  tensor(key: string, shape: readonly number[], scale?: number): NdArray;
  /** The audio rule; `row` gives row b of a batch. */
  audio(name: string, samples: number, sampleRate: number, row?: number): NdArray;
  /** A parameter by its official key (`goldens/README.md` §1, table). */
  parameter(key: string, shape: readonly number[]): NdArray;
  /** A tensor stored beside the golden (stored inputs of metric goldens), or undefined. */
  stored(name: string): NdArray<Float32Array | Float64Array | Int32Array | Uint8Array> | undefined;
}

export interface GoldenTarget {
  /** Compute the outputs a golden lists. It may leave out outputs it has no code for: those are reported as missing and fail. */
  run(golden: GoldenFile, tools: GoldenTools): Promise<GoldenOutputs> | GoldenOutputs;
}

/** Targets by golden name; a key ending in `*` matches every golden whose name starts with what precedes it. */
export type GoldenTargets = Readonly<Record<string, GoldenTarget>>;

/** u(key, i) of the hash rule: 32-bit. `i` is the flat row-major index. */
export function goldenHash(key: string, seed: number, i: number): number {
  return fmix32(((fnv1a32(key) ^ seed) >>> 0) + Math.imul(i, 0x9e3779b9));
}

/** Flat values of r(key, i)·scale in float64, i in 0…n−1, each in [−scale, scale). */
export function goldenUniform(key: string, seed: number, n: number): Float64Array {
  const values = new Float64Array(n);
  const base = (fnv1a32(key) ^ seed) >>> 0;
  for (let i = 0; i < n; i++) values[i] = (fmix32(base + Math.imul(i, 0x9e3779b9)) / 4294967296) * 2 - 1;
  return values;
}

export function goldenTensor(key: string, seed: number, shape: readonly number[], scale = 1): NdArray {
  const uniform = goldenUniform(key, seed, sizeOf(shape));
  const data = new Float32Array(uniform.length);
  for (let i = 0; i < data.length; i++) data[i] = scale * uniform[i]!;
  return { data, shape };
}

/** Audio rule: 0.4 sin(2π f0 n/sr) + 0.2 sin(2π·1760 n/sr + 0.3) + 0.05 r, under a rising ramp; f0 = 220(1 + row/2). */
export function goldenAudio(name: string, seed: number, samples: number, sampleRate: number, row?: number): NdArray {
  const noise = goldenUniform(`input:${name}${row === undefined ? '' : `:${row}`}`, seed, samples);
  const f0 = 220 * (1 + (row ?? 0) / 2);
  const data = new Float32Array(samples);
  for (let n = 0; n < samples; n++) {
    const tone =
      0.4 * Math.sin((2 * Math.PI * f0 * n) / sampleRate) +
      0.2 * Math.sin((2 * Math.PI * 1760 * n) / sampleRate + 0.3) +
      0.05 * noise[n]!;
    data[n] = tone * (0.5 + (0.5 * n) / (samples - 1));
  }
  return { data, shape: [samples] };
}

/** Parameter rule: first matching row of the table in `goldens/README.md` §1, computed in float64, rounded to float32. */
export function goldenParameter(key: string, seed: number, shape: readonly number[]): NdArray {
  const leaf = key.slice(key.lastIndexOf('.') + 1);
  const rank = shape.length;
  const fanIn = sizeOf(shape.slice(1));
  const isGain = ['weight_g', 'original0', 'grep_a', 'g'].includes(leaf) || leaf.startsWith('gamma');
  const isSmall = leaf === 'b' || ['token', 'pos_embed', 'mask_emb'].some((part) => leaf.includes(part));
  const value = ((): ((r: number) => number) => {
    if (leaf === 'num_batches_tracked') return () => 0;
    if (leaf === 'running_var') return (r) => 1 + 0.5 * Math.abs(r);
    if (isGain) return (r) => 1 + 0.1 * r;
    if (isSmall) return (r) => 0.1 * r;
    if (rank >= 2) return (r) => r * Math.sqrt(3 / fanIn);
    if (leaf.endsWith('weight')) return (r) => 1 + 0.1 * r;
    return (r) => 0.1 * r;
  })();
  const uniform = goldenUniform(key, seed, sizeOf(shape));
  const data = new Float32Array(uniform.length);
  for (let i = 0; i < data.length; i++) data[i] = value(uniform[i]!);
  return { data, shape };
}
