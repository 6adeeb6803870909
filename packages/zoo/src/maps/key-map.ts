/**
 * How an upstream names its weights: data, one file an upstream. A map says where in a file the weights lie, which keys are of other
 * parts (heads, projectors, queues), and what must be there with which shape.
 */

/** By name, torch's layouts. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

export interface KeyMap {
  /** `moco`: what `--upstream` takes and the index names. */
  readonly id: string;
  readonly title: string;
  /** Sheet or repository the names were taken from. */
  readonly source: string;
  /** Our backbone family, built already or to come. */
  readonly family: string;
  /**
   * Where the kept network lies: prefixes by name of the part, `''` for a flat file; the first part is taken unless another is asked
   * for, and of its prefixes the first that occurs.
   */
  readonly parts: Readonly<Record<string, readonly string[]>>;
  /** Names after the prefix that only this upstream has, all of them. */
  readonly signature: readonly RegExp[];
  /** Names beside the kept network that only this upstream has; those that many have are in `surrounding`. */
  readonly beside?: readonly RegExp[];
  /** Names after the prefix of what is no part of the kept network, and what it is. */
  readonly leftOut?: readonly (readonly [RegExp, string])[];
  /** Their name → ours. */
  readonly renames?: readonly (readonly [RegExp, string])[];
  /** Weight norms stay two tensors, in torch's old spelling (`weight_g`, `weight_v`); default: they are folded into one. */
  readonly keepsWeightNorm?: boolean;
  /** The family's config from the names and shapes that are there (after renames), and what else the file holds. */
  configOf(shapes: Shapes, root?: unknown): Record<string, unknown>;
  /** The family's own config, where `configOf` says more or less than it takes. */
  familyConfig?(config: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** Every tensor of the network with this config. */
  expected(config: Readonly<Record<string, unknown>>, shapes: Shapes): Shapes;
  /** Shapes that may differ from the network's, and how they are brought to it (a convolution stored as 1 × 1, an axis too many). */
  readonly reshape?: readonly RegExp[];
  /** What the names cannot tell and a user must know, for the card. */
  readonly caution?: string;
  /** Front-end the weights expect, as `input` of a model config. */
  readonly input?: Readonly<Record<string, unknown>>;
}

/**
 * One dotted part of a name says that a tensor is of the training around a network: optimiser and schedule, losses and their
 * moving centres, queues of negatives, heads and projectors, the second of two networks.
 */
const surrounding = new RegExp(
  `^(${[
    '(last_)?optim(izer)?(_states?)?s?|optimizers|lars|adam|lr_schedulers?|schedulers?|scaler|fp16_scaler|grad_scaler|amp',
    'callbacks|loops|hyper_parameters|args|cfg|config|rng_states?|(torch|cuda|numpy)_rng_state|extra_state|meta|metrics|history|step|epoch',
    'loss(es)?|\\w+_loss|criterion|center|temperature|logit_scale|queue\\w*|memory(_bank)?|bn|neck|decoder',
    '(\\w+_)?heads?(_\\w+)?|\\w*projectors?|project_(q|hid)|quantizer|\\w*projection\\w*|\\w*predict(or|ion)\\w*|prototypes\\w*|classifier|fc|mlp|final_proj|linear',
    'ema\\w*|(target|online|momentum|teacher|student)(_\\w+)?|encoder_[kq]|model_ema',
  ].join('|')})$`,
);

/** Whether a tensor outside of the kept network is one that the upstream's files have there. */
export function isBeside(map: KeyMap, name: string): boolean {
  const otherParts = Object.values(map.parts).flat();
  return (
    otherParts.some((prefix) => prefix !== '' && name.startsWith(prefix)) ||
    (map.beside ?? []).some((pattern) => pattern.test(name)) ||
    name.split('.').some((part) => surrounding.test(part))
  );
}

/** Collects the shapes of a network in torch's names. */
export interface ShapeList {
  readonly shapes: Map<string, readonly number[]>;
  tensor(name: string, ...shape: readonly number[]): void;
  /** weight [out, in] and, unless told not to, bias. */
  linear(name: string, out: number, inputs: number, bias?: boolean): void;
  /** Layer or group norm. */
  norm(name: string, width: number): void;
  /** Batch norm with running statistics. */
  batchNorm(name: string, width: number): void;
  /** weight [out, in, …kernel]. */
  conv(name: string, out: number, inputs: number, kernel: readonly number[], bias?: boolean): void;
}

export function shapeList(): ShapeList {
  const shapes = new Map<string, readonly number[]>();
  const list: ShapeList = {
    shapes,
    tensor: (name, ...shape) => void shapes.set(name, shape),
    linear(name, out, inputs, bias = true) {
      list.tensor(`${name}.weight`, out, inputs);
      if (bias) list.tensor(`${name}.bias`, out);
    },
    norm(name, width) {
      list.tensor(`${name}.weight`, width);
      list.tensor(`${name}.bias`, width);
    },
    batchNorm(name, width) {
      list.norm(name, width);
      list.tensor(`${name}.running_mean`, width);
      list.tensor(`${name}.running_var`, width);
    },
    conv(name, out, inputs, kernel, bias = false) {
      list.tensor(`${name}.weight`, out, inputs, ...kernel);
      if (bias) list.tensor(`${name}.bias`, out);
    },
  };
  return list;
}

/** Size of an axis of a tensor, 0 where the tensor is missing. */
export const sizeAt = (shapes: Shapes, name: string, axis: number): number => shapes.get(name)?.[axis] ?? 0;

/** How many of `prefix.0.`, `prefix.1.`, … there are. */
export function countLayers(shapes: Shapes, prefix: string): number {
  let most = -1;
  for (const name of shapes.keys()) {
    if (!name.startsWith(`${prefix}.`)) continue;
    const layer = Number(name.slice(prefix.length + 1).split('.')[0]);
    if (Number.isInteger(layer)) most = Math.max(most, layer);
  }
  return most + 1;
}
