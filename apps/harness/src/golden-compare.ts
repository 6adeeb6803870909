/**
 * How a golden's stored numbers and ours are compared: one bound per output, read from the golden as its README states it.
 * Nothing here is looser than what the file says.
 */
import { sizeOf, type GoldenFile, type GoldenOutputs, type NdArray, type TypedArray } from '@unlabel/core';

export interface Comparison {
  readonly output: string;
  /** Worst |a − b|; NaN when it could not be compared. */
  readonly error: number;
  /** That error over its bound: above 1 fails. */
  readonly share: number;
  /** Why it could not be compared. */
  readonly note?: string;
}

/** Bound of |a − b| for an expected value b; `absmax` is the largest |b| of the tensor. */
export type Bound = (expected: number, absmax: number) => number;

interface ListedOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly stride: number;
  readonly own: Readonly<Record<string, unknown>>;
}

type Stored = (name: string) => NdArray<TypedArray> | undefined;

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const isShape = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isInteger(n) && n >= 0);

/** Numbers as strict JSON writes them: non-finite ones are strings. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  return isRecord(value) ? numberOf(value['value']) : undefined;
}

/** Both ways of listing outputs: a list with shape and stride, or a table with `strides` beside it. */
export function listOutputs(golden: GoldenFile): ListedOutput[] {
  const { outputs } = golden;
  if (Array.isArray(outputs)) {
    return outputs.filter(isRecord).map((own) => ({
      name: String(own['name']),
      shape: isShape(own['shape']) ? own['shape'] : [],
      stride: Number(own['stride'] ?? 1),
      own,
    }));
  }
  if (!isRecord(outputs)) return [];
  const strides = isRecord(golden['strides']) ? golden['strides'] : {};
  return Object.entries(outputs).map(([name, stored]) => {
    const held = strides[name];
    const full = isRecord(held) ? held['full_shape'] : isRecord(stored) ? stored['shape'] : undefined;
    const stride = isRecord(held) ? Number(held['flat_stride'] ?? 1) : 1;
    return { name, shape: isShape(full) ? full : [], stride, own: {} };
  });
}

/** The bound of one output or scalar. An output's own atol and rtol replace the file's. */
export function boundFor(golden: GoldenFile, name: string, own: Readonly<Record<string, unknown>> = {}): Bound {
  const file = golden['tolerance'];
  // hear-predictor states several tolerances, of which only this one is about numbers that can be compared.
  const scalar = isRecord(file) ? (file['metrics_from_stored_predictions'] ?? file) : file;
  if (typeof scalar === 'number') return (b) => scalar * Math.max(1, Math.abs(b));
  const table = isRecord(file) ? file : {};
  const pick = (key: 'atol' | 'rtol'): number | undefined => {
    const value = own[key] ?? table[key];
    return typeof value === 'number' ? value : undefined;
  };
  const atol = pick('atol');
  const rtol = pick('rtol');
  if (atol === undefined && rtol === undefined) return boundByName(table, name);
  const plain: Bound = (b) => (atol ?? 0) + (rtol ?? 0) * Math.abs(b);
  const toLargest: Bound = (_b, absmax) => (atol ?? 0) + (rtol ?? 0) * absmax;
  if (own['atol'] !== undefined || own['rtol'] !== undefined) return plain;
  const remark = `${textOf(table['remark'])} ${textOf(table['note'])}`;
  if (remark.includes('relative to the absmax of the tensor')) return toLargest;
  const spectra = /relative to the largest value for linear power; absolute ([\d.e-]+) for log\/dB/.exec(remark);
  if (!spectra) return plain;
  const domain = domainOf(golden, name);
  if (domain === 'linear') return toLargest;
  return domain === 'log' ? () => Number(spectra[1]) : plain;
}

/** `{ "scores": 1e-6, "top1": "identical" }`: a number bounds the outputs whose name ends with its key, the rest is exact. */
function boundByName(table: Readonly<Record<string, unknown>>, name: string): Bound {
  const key = Object.keys(table).find((part) => name === part || name.endsWith(`.${part}`));
  const limit = key === undefined ? 0 : table[key];
  return (b) => (typeof limit === 'number' ? limit * Math.max(1, Math.abs(b)) : 0);
}

/**
 * Image operators state their bounds in words, by back end: `accept at most 1 grey level (hue, saturation: 2)` of bytes, `2e-6 (blur,
 * resize 1e-5, hue 1e-4)` of floats.
 */
function pixelBound(tolerance: unknown, name: string): number | undefined {
  const [, backEnd, operator = ''] = /^(pil|tensor_u8|tensor_f32)\.(.*)$/.exec(name) ?? [];
  if (!isRecord(tolerance) || backEnd === undefined) return undefined;
  const text = textOf(Object.entries(tolerance).find(([key]) => key.includes(`${backEnd}.*`))?.[1]);
  const bytes = /at most (\d+) grey level \(hue, saturation: (\d+)\)/.exec(text);
  if (bytes) return Number(/hue|saturation|jitter/.test(operator) ? bytes[2] : bytes[1]);
  const floats = /^(\S+) \(blur, resize (\S+), hue (\S+)\)/.exec(text);
  if (!floats) return undefined;
  if (/hue|jitter/.test(operator)) return Number(floats[3]);
  return Number(/blur|resize/.test(operator) ? floats[2] : floats[1]);
}

/** Whether a spectral output is linear power or logarithmic, from the call that made it; neither for banks and cepstra. */
function domainOf(golden: GoldenFile, name: string): 'linear' | 'log' | undefined {
  const made = (golden.cases ?? []).filter(isRecord).find((one) => one['name'] === name);
  const call = textOf(made?.['fn']);
  const post = textOf(made?.['post']) || 'none';
  if (/^(log|db)/i.test(post) || /^(log\(|db\b)|power_to_db/i.test(call)) return 'log';
  if (post === 'none' && /melspectrogram/i.test(call)) return 'linear';
  return undefined;
}

/** Every listed output, every scalar, and what the target itself expects, against what it computed. */
export function compareOutputs(
  golden: GoldenFile,
  found: GoldenOutputs,
  stored: Stored,
  expected?: GoldenOutputs,
): Comparison[] {
  const comparisons: Comparison[] = [];
  for (const output of listOutputs(golden)) {
    // A golden that keeps its expectations in its cases lists stored inputs as outputs.
    if (expected !== undefined && found[output.name] === undefined) continue;
    comparisons.push(compareTensor(golden, output, found[output.name], stored));
  }
  const wanted = { ...golden.scalars, ...expected };
  for (const [name, value] of Object.entries(wanted)) {
    comparisons.push(compareExpected(name, found[name], value, boundFor(golden, name)));
  }
  return comparisons;
}

const cannot = (output: string, note: string): Comparison => ({ output, error: NaN, share: Infinity, note });

function compareTensor(
  golden: GoldenFile,
  { name, shape, stride, own }: ListedOutput,
  value: GoldenOutputs[string] | undefined,
  stored: Stored,
): Comparison {
  const expected = stored(name);
  if (expected === undefined) return cannot(name, 'the golden has no stored tensor of this name');
  if (value === undefined) return cannot(name, 'not computed');
  const actual = typeof value === 'number' ? { data: [value], shape: [] } : value;
  if (actual.shape.join() !== shape.join()) {
    return cannot(name, `expected shape [${shape.join(', ')}], found [${actual.shape.join(', ')}]`);
  }
  const size = sizeOf(shape);
  if (actual.data.length !== size) return cannot(name, `expected ${size} values, found ${actual.data.length}`);
  if (!(Number.isInteger(stride) && stride >= 1) || expected.data.length !== Math.ceil(size / stride)) {
    return cannot(name, `the golden stores ${expected.data.length} of ${size} values at stride ${stride}`);
  }
  const pixels = pixelBound(golden['tolerance'], name);
  const isExact = pixels === undefined && (expected.data instanceof Int32Array || expected.data instanceof Uint8Array);
  const bound = isExact ? () => 0 : pixels === undefined ? boundFor(golden, name, own) : () => pixels;
  const at = (i: number): number => actual.data[i * stride]!;
  let compared = compareValues(name, at, expected.data, bound);
  if (compared.share > 1 && /(^|[._])grad[._]/.test(name))
    compared = compareGradient(compared, at, expected.data, bound);
  if (stride === 1 || isExact || !isRecord(own['stats'])) return compared;
  return worseOf(compared, compareStats(name, actual.data, own['stats'], bound));
}

/** Largest share of a gradient's elements that counts as a handful, and its relative norm that must hold then. */
const handful = 0.01;
const gradientNorm = 1e-3;

/**
 * A gradient of which a handful of elements is beyond the bound is judged by ‖a − b‖/‖b‖ < 1e-3 instead: rounding through batch
 * statistics, and ties of ReLU and pooling, decide such elements.
 */
function compareGradient(
  plain: Comparison,
  actual: (i: number) => number,
  expected: ArrayLike<number>,
  bound: Bound,
): Comparison {
  const absmax = largestOf(expected);
  let beyond = 0;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual(i) - expected[i]!);
    if (!(error <= bound(expected[i]!, absmax))) beyond++;
    difference += error ** 2;
    norm += expected[i]! ** 2;
  }
  const relative = Math.sqrt(difference / norm);
  const text = `${beyond} of ${expected.length} elements beyond, relative norm ${relative.toExponential(1)}`;
  if (!(beyond <= Math.max(1, handful * expected.length))) return { ...plain, note: text };
  return { ...plain, share: relative / gradientNorm, note: text };
}

/** Mean, deviation and largest value of the whole tensor: what the stored slice leaves out cannot be far off either. */
function compareStats(
  output: string,
  actual: ArrayLike<number>,
  stats: Readonly<Record<string, unknown>>,
  bound: Bound,
): Comparison {
  let sum = 0;
  let absmax = 0;
  for (let i = 0; i < actual.length; i++) {
    sum += actual[i]!;
    absmax = Math.max(absmax, Math.abs(actual[i]!));
  }
  const mean = sum / actual.length;
  let squares = 0;
  for (let i = 0; i < actual.length; i++) squares += (actual[i]! - mean) ** 2;
  const found: Readonly<Record<string, number>> = { mean, std: Math.sqrt(squares / actual.length), absmax };
  const largest = numberOf(stats['absmax']) ?? 0;
  // Errors within the bound of the largest element move none of the three by more than that bound.
  const limit = bound(largest, largest);
  let worst: Comparison = { output, error: 0, share: 0 };
  for (const key of ['mean', 'std', 'absmax']) {
    const expected = numberOf(stats[key]);
    if (expected === undefined) continue;
    const one = compareValues(
      output,
      () => found[key]!,
      [expected],
      () => limit,
    );
    worst = worseOf(worst, { ...one, note: `${key} of the whole tensor` });
  }
  return worst;
}

const worseOf = (a: Comparison, b: Comparison): Comparison => (b.share > a.share ? b : a);

/** A number or an array that the golden's json or its target states. */
function compareExpected(
  name: string,
  value: GoldenOutputs[string] | undefined,
  wanted: unknown,
  bound: Bound,
): Comparison {
  if (value === undefined) return cannot(name, 'not computed');
  const actual = typeof value === 'number' ? [value] : value.data;
  const number = numberOf(wanted);
  const expected = number !== undefined ? [number] : isRecord(wanted) ? wanted['data'] : wanted;
  if (!isNumbers(expected)) return cannot(name, 'the golden states no number');
  if (actual.length !== expected.length)
    return cannot(name, `expected ${expected.length} values, found ${actual.length}`);
  return compareValues(name, (i) => actual[i]!, expected, bound);
}

const isNumbers = (value: unknown): value is ArrayLike<number> =>
  ArrayBuffer.isView(value) || (Array.isArray(value) && value.every((n) => typeof n === 'number'));

function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (Number.isFinite(size)) largest = Math.max(largest, size);
  }
  return largest;
}

function compareValues(
  output: string,
  actual: (i: number) => number,
  expected: ArrayLike<number>,
  bound: Bound,
): Comparison {
  const absmax = largestOf(expected);
  let worst: Comparison = { output, error: 0, share: 0 };
  for (let i = 0; i < expected.length; i++) {
    const a = actual(i);
    const b = expected[i]!;
    if (Object.is(a, b) || a === b) continue; // also NaN for NaN and equal infinities
    const error = Math.abs(a - b);
    if (!Number.isFinite(error)) return { output, error, share: Infinity, note: `[${i}] is ${a}, expected ${b}` };
    const share = error / bound(b, absmax);
    if (share > worst.share) worst = { output, error, share };
  }
  return worst;
}
