/** Running one golden against its target, for the packages' own tests. Field names differ between golden families. */
import { dirname, join } from 'node:path';
import {
  goldenAudio,
  goldenParameter,
  goldenTensor,
  goldenUniform,
  sizeOf,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTools,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { parseSafetensors, readJson } from '@unlabel/formats';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { worstOf, type Tolerance } from './testing.ts';

export interface GoldenCheck {
  readonly name: string;
  /** Share of the tolerance the worst element uses; above 1 fails, Infinity when it is missing or misshapen. */
  readonly share: number;
  readonly error: number;
  readonly note?: string;
}

interface Listed {
  readonly name: string;
  readonly shape: readonly number[];
  readonly stride: number;
  readonly tolerance: Tolerance & { readonly isAbsoluteFloor?: boolean };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function toleranceOf(value: unknown): Tolerance & { isAbsoluteFloor?: boolean } {
  // a plain number t means |a − b| ≤ t·max(1, |b|)
  if (typeof value === 'number') return { atol: value, rtol: value, isAbsoluteFloor: true };
  if (!isRecord(value)) return {};
  const pick = (key: string) => (typeof value[key] === 'number' ? { [key]: value[key] } : {});
  return { ...pick('atol'), ...pick('rtol') };
}

function listOutputs(golden: GoldenFile): Listed[] {
  const base = toleranceOf(golden['tolerance']);
  const listed: Listed[] = [];
  if (Array.isArray(golden.outputs)) {
    for (const output of golden.outputs as Record<string, unknown>[]) {
      listed.push({
        name: String(output['name']),
        shape: output['shape'] as number[],
        stride: Number(output['stride']),
        tolerance: { ...base, ...toleranceOf(output) },
      });
    }
  } else if (isRecord(golden.outputs)) {
    const strides = isRecord(golden['strides']) ? golden['strides'] : {};
    for (const [name, output] of Object.entries(golden.outputs)) {
      const held = strides[name] as { full_shape: number[]; flat_stride: number } | undefined;
      const shape = held?.full_shape ?? (output as { shape: number[] }).shape;
      listed.push({ name, shape, stride: held?.flat_stride ?? 1, tolerance: base });
    }
  }
  return listed;
}

/** Parse `<path>.json` and `<path>.safetensors`, run the target, and compare every listed output and scalar. */
export async function checkGolden(path: string, target: GoldenTarget): Promise<GoldenCheck[]> {
  const raw = (await readJson(`${path}.json`)) as Record<string, unknown>;
  const seed = Number(raw['seed'] ?? raw['SEED'] ?? 0);
  const golden = { ...raw, seed } as unknown as GoldenFile; // fields are read one by one with checks
  const file = `${path}.safetensors`;
  const tensors = existsSync(file) ? parseSafetensors(await readFile(file), file) : undefined;
  const stored = (name: string): NdArray<TypedArray> | undefined =>
    tensors?.names.includes(name) ? tensors.read(name) : undefined;
  const tools: GoldenTools = {
    dir: dirname(path),
    tensor: (key, shape, scale) => goldenTensor(key, seed, shape, scale),
    audio: (name, samples, sampleRate, row) => goldenAudio(name, seed, samples, sampleRate, row),
    parameter: (key, shape) => ruleParameter(key, seed, shape),
    stored,
  };
  const found = await target.run(golden, tools);
  const checks = listOutputs(golden).map(({ name, shape, stride, tolerance }): GoldenCheck => {
    const value = found[name];
    const expected = stored(name);
    if (value === undefined || typeof value === 'number')
      return { name, share: Infinity, error: NaN, note: 'not computed' };
    if (value.shape.join() !== shape.join())
      return { name, share: Infinity, error: NaN, note: `shape [${value.shape.join(', ')}]` };
    if (!expected) return { name, share: Infinity, error: NaN, note: 'no stored tensor' };
    const actual =
      expected.data.length === value.data.length ? value.data : value.data.filter((_, i) => i % stride === 0);
    return compare(name, actual, expected.data, tolerance);
  });
  for (const [name, held] of Object.entries(golden.scalars ?? {})) {
    const expected = isRecord(held) ? held['value'] : held;
    if (typeof expected !== 'number') continue;
    const value = found[name];
    const actual = typeof value === 'number' ? value : value?.data[0];
    checks.push(
      actual === undefined
        ? { name, share: Infinity, error: NaN, note: 'not computed' }
        : compare(name, [actual], [expected], toleranceOf(golden['tolerance'])),
    );
  }
  return checks;
}

/** The rule's values; its row for weights (r·√(3/fanIn)) in a plain loop, because some networks here have 45 million of them. */
function ruleParameter(key: string, seed: number, shape: readonly number[]): NdArray {
  if (shape.length < 2 || !key.endsWith('.weight')) return goldenParameter(key, seed, shape);
  const scale = Math.sqrt(3 / sizeOf(shape.slice(1)));
  const values = goldenUniform(key, seed, sizeOf(shape));
  const data = new Float32Array(values.length);
  for (let i = 0; i < data.length; i++) data[i] = values[i]! * scale;
  return { data, shape };
}

function compare(
  name: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Listed['tolerance'],
): GoldenCheck {
  if (actual.length !== expected.length) return { name, share: Infinity, error: NaN, note: `${actual.length} values` };
  const { share, error } = tolerance.isAbsoluteFloor
    ? worstWithFloor(actual, expected, tolerance.atol ?? 0)
    : worstOf(actual, expected, tolerance);
  if (share > 1 && /(^|\.)grad\./.test(name)) {
    const norm = flippedShare(actual, expected, tolerance);
    if (norm !== undefined)
      return {
        name,
        error,
        share: norm,
        note: `element ${share.toPrecision(3)} ×, relative norm ${(norm / 1e3).toExponential(1)}`,
      };
  }
  return { name, share, error };
}

/**
 * The goldens' own rule for gradients through batch norm, ReLU and max pools: where a handful of elements fail (two candidates of a
 * pool closer than float32 rounding flip, in the reference as well), ‖a − b‖/‖b‖ < 1e-3 decides. The share of that bound, or undefined
 * when more than one element in a hundred is beyond its own.
 */
function flippedShare(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 0, rtol = 0 }: Tolerance,
): number | undefined {
  let [beyond, difference, size] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= atol + rtol * Math.abs(expected[i]!))) beyond++;
    difference += error * error;
    size += expected[i]! ** 2;
  }
  return beyond <= Math.max(1, expected.length / 100) ? Math.sqrt(difference / size) / 1e-3 : undefined;
}

function worstWithFloor(actual: ArrayLike<number>, expected: ArrayLike<number>, limit: number) {
  let worst = { share: 0, error: 0 };
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    const share = error / (limit * Math.max(1, Math.abs(expected[i]!)));
    if (!(share <= worst.share)) worst = { share, error };
  }
  return worst;
}

/** Checks that fail, as lines; empty when the golden is met. */
export const failuresOf = (checks: readonly GoldenCheck[]): string[] =>
  checks
    .filter(({ share }) => !(share <= 1))
    .map(
      ({ name, share, error, note }) =>
        `${name}: ${note ?? `error ${error.toExponential(2)}, ${share.toPrecision(3)} × tolerance`}`,
    );

/** Path of a fixture beside a package's sources, without extension: `fixture(import.meta.url, 'delores-s')`. */
export const fixture = (url: string, name: string): string =>
  join(dirname(new URL(url).pathname), '..', 'fixtures', name);
