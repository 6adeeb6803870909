/**
 * Parameters and buffers as named variables. Names and shapes on disk are torch's; in memory a convolution kernel lies as the
 * engine wants it, and the variable remembers how.
 */
import {
  CheckpointError,
  ConfigError,
  sizeOf,
  type NdArray,
  type Params,
  type Tensor,
  type Variable,
} from '@unlabel/core';
import { tf } from './backend.ts';

/**
 * How torch's array lies in memory: `conv2d` [O, I, H, W] → [H, W, I, O]; `depthwise2d` [C·m, 1, H, W] → [H, W, C, m];
 * `conv1d` [O, I, W] → [W, I, O]; `plain` unchanged (a linear weight stays [out, in]).
 */
export type Layout = 'plain' | 'conv2d' | 'depthwise2d' | 'conv1d';

export interface ParameterOptions {
  /** False for buffers such as running statistics. Default true. */
  readonly trainable?: boolean;
  readonly layout?: Layout;
  /** Needed by `depthwise2d`: output channels per input channel. Default 1. */
  readonly multiplier?: number;
}

interface Kept {
  readonly layout: Layout;
  readonly multiplier: number;
}

const kept = new WeakMap<Variable, Kept>();
const keptOf = (variable: Variable): Kept => kept.get(variable) ?? { layout: 'plain', multiplier: 1 };

export const layoutOf = (variable: Variable): Layout => keptOf(variable).layout;

/** A variable from a value in torch's layout. */
export function parameter(value: NdArray, options: ParameterOptions = {}): Variable {
  const how: Kept = { layout: options.layout ?? 'plain', multiplier: options.multiplier ?? 1 };
  const rank = { plain: value.shape.length, conv2d: 4, depthwise2d: 4, conv1d: 3 }[how.layout];
  if (value.shape.length !== rank || value.data.length !== sizeOf(value.shape)) {
    throw new ConfigError(
      `parameter: [${value.shape.join(', ')}] with ${value.data.length} values is no ${how.layout} array`,
    );
  }
  const variable = tf.tidy(() => tf.variable(toMemory(value, how), options.trainable ?? true));
  kept.set(variable, how);
  return variable;
}

/** A variable with the layout and trainability of another, holding a copy of its value or `value` (memory layout). */
export function likeParameter(model: Variable, value?: Tensor, trainable = model.trainable): Variable {
  const variable = tf.tidy(() => tf.variable(value ?? model.clone(), trainable));
  kept.set(variable, keptOf(model));
  return variable;
}

function toMemory(value: NdArray, { layout, multiplier }: Kept): Tensor {
  const tensor = tf.tensor(value.data, [...value.shape], 'float32');
  const [o = 1, , h = 1, w = 1] = value.shape;
  if (layout === 'conv2d') return tf.transpose(tensor, [2, 3, 1, 0]);
  if (layout === 'conv1d') return tf.transpose(tensor, [2, 1, 0]);
  if (layout === 'depthwise2d') {
    return tf.transpose(tf.reshape(tensor, [o / multiplier, multiplier, h, w]), [2, 3, 0, 1]);
  }
  return tensor;
}

/** A variable's shape on disk. */
export function torchShape(variable: Variable): number[] {
  const [a = 1, b = 1, c = 1, d = 1] = variable.shape;
  const { layout } = keptOf(variable);
  if (layout === 'conv2d') return [d, c, a, b];
  if (layout === 'conv1d') return [c, b, a];
  if (layout === 'depthwise2d') return [c * d, 1, a, b];
  return [...variable.shape];
}

function toTorch(tensor: Tensor, variable: Variable): Tensor {
  const { layout } = keptOf(variable);
  if (layout === 'conv2d') return tf.transpose(tensor, [3, 2, 0, 1]);
  if (layout === 'conv1d') return tf.transpose(tensor, [2, 1, 0]);
  if (layout === 'depthwise2d') return tf.transpose(tensor, [2, 3, 0, 1]);
  return tf.clone(tensor);
}

/** Every name with `prefix.` in front. */
export function prefixed(prefix: string, params: Params): Params {
  return new Map([...params].map(([name, variable]) => [`${prefix}.${name}`, variable]));
}

/** One map of several. A name that stands in two of them is a ConfigError. */
export function mergeParams(...maps: readonly Params[]): Params {
  const merged = new Map<string, Variable>();
  for (const [name, variable] of maps.flatMap((map) => [...map])) {
    if (merged.has(name)) throw new ConfigError(`mergeParams: two parameters are called ${name}. Give them prefixes.`);
    merged.set(name, variable);
  }
  return merged;
}

export function selectParams(params: Params, predicate: (name: string, variable: Variable) => boolean): Params {
  return new Map([...params].filter(([name, variable]) => predicate(name, variable)));
}

export const trainableOf = (params: Params): Params => selectParams(params, (_, variable) => variable.trainable);
export const buffersOf = (params: Params): Params => selectParams(params, (_, variable) => !variable.trainable);

/** Number of values; buffers count too, so pass `trainableOf(params)` for the usual figure. */
export function countParams(params: Params): number {
  return [...params.values()].reduce((sum, variable) => sum + variable.size, 0);
}

/** Variables of their own with the same names, values and layouts. `trainable` overrides, for networks that only follow. */
export function cloneParams(params: Params, trainable?: boolean): Params {
  return new Map(
    [...params].map(([name, held]) => [name, likeParameter(held, undefined, trainable ?? held.trainable)]),
  );
}

/** Overwrite the values of `to` with those of the same name in `from`. Names must match both ways. */
export function copyParams(from: Params, to: Params): void {
  for (const [name, variable] of to) {
    const value = from.get(name);
    if (!value || from.size !== to.size) {
      throw new ConfigError(
        `copyParams: ${value ? `${from.size} parameters for ${to.size}` : `no parameter ${name} to copy`}`,
      );
    }
    tf.tidy(() => variable.assign(tf.clone(value)));
  }
}

export function disposeParams(params: Params): void {
  for (const variable of params.values()) if (!variable.isDisposed) variable.dispose();
}

/** Values by name in torch's layout. */
export async function toArrays(params: Params): Promise<Record<string, NdArray>> {
  const arrays: Record<string, NdArray> = {};
  for (const [name, variable] of params) arrays[name] = await gradientToArray(variable, variable);
  return arrays;
}

/** A tensor shaped like `variable` in memory (its gradient, its momentum), in torch's layout. */
export async function gradientToArray(tensor: Tensor, variable: Variable): Promise<NdArray> {
  const turned = tf.tidy(() => toTorch(tensor, variable));
  try {
    // a copy: some backends hand out their own memory
    return { data: (await turned.data<'float32'>()).slice(), shape: torchShape(variable) };
  } finally {
    turned.dispose();
  }
}

export interface AssignOptions {
  /** A missing, unexpected or misshapen array is an error; nothing is assigned then. Default true. */
  readonly strict?: boolean;
  /** Foreign name → ours; undefined leaves the array out. */
  readonly rename?: (name: string) => string | undefined;
}

/** What an import covered. */
export interface Coverage {
  readonly loaded: readonly string[];
  /** Ours that no array was found for. */
  readonly missing: readonly string[];
  /** Foreign names with no place here. */
  readonly unexpected: readonly string[];
  /** `name: expected [..], found [..]`. */
  readonly mismatched: readonly string[];
  /** torch's `num_batches_tracked` counters (they only matter for cumulative averages) and names `rename` left out. */
  readonly ignored: readonly string[];
}

type Arrays = Readonly<Record<string, NdArray>>;

/** What loading `arrays` would cover, without loading. Strict (the default): every fault at once as a CheckpointError. */
export const checkArrays = (params: Params, arrays: Arrays, options: AssignOptions = {}): Coverage =>
  match(params, arrays, options).coverage;

/** Load arrays in torch's layout into variables. Strict (the default): every fault at once as a CheckpointError. */
export function assignArrays(params: Params, arrays: Arrays, options: AssignOptions = {}): Coverage {
  const { matched, coverage } = match(params, arrays, options);
  for (const [name, array] of matched) {
    const variable = params.get(name)!;
    tf.tidy(() => variable.assign(toMemory(array, keptOf(variable))));
  }
  return coverage;
}

function match(params: Params, arrays: Arrays, options: AssignOptions) {
  const matched = new Map<string, NdArray>();
  const unexpected: string[] = [];
  const mismatched: string[] = [];
  const ignored: string[] = [];
  for (const [foreign, array] of Object.entries(arrays)) {
    const name = foreign.endsWith('num_batches_tracked')
      ? undefined
      : options.rename
        ? options.rename(foreign)
        : foreign;
    const variable = name === undefined ? undefined : params.get(name);
    if (name === undefined) ignored.push(foreign);
    else if (!variable) unexpected.push(foreign);
    else if (matched.has(name)) mismatched.push(`${foreign}: a second array for ${name}`);
    else {
      const shape = torchShape(variable);
      const isSame = shape.length === array.shape.length && shape.every((n, i) => n === array.shape[i]);
      if (isSame && array.data.length === sizeOf(shape)) matched.set(name, array);
      else mismatched.push(`${foreign}: expected [${shape.join(', ')}], found [${array.shape.join(', ')}]`);
    }
  }
  const missing = [...params.keys()].filter(
    (name) => !matched.has(name) && !mismatched.some((m) => m.startsWith(`${name}:`)),
  );
  const faults = [
    ...missing.map((name) => `${name}: missing`),
    ...unexpected.map((name) => `${name}: has no place in this network`),
    ...mismatched,
  ];
  if ((options.strict ?? true) && faults.length > 0) {
    const counts = `${matched.size} of ${params.size} parameters found`;
    throw new CheckpointError(`the checkpoint does not fit the network (${counts}):\n  ${faults.join('\n  ')}`, {
      faults,
    });
  }
  const coverage: Coverage = { loaded: [...matched.keys()], missing, unexpected, mismatched, ignored };
  return { matched, coverage };
}
