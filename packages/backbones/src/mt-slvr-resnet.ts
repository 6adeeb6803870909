/**
 * MT-SLVR's ResNet-18 family: one trunk for a contrastive and a predictive task, as far apart as an adapter keeps them.
 *
 * - `none`: torchvision's network; both tasks use the one output. `split`: the same trunk, an output layer for each task.
 * - `bn`, `series`, `parallel`: adapters of each task in stages 2 to 4 (`mt-slvr-adapters.ts`); stem and stage 1 are shared, and
 *   shortcuts are pooled and padded instead of projected.
 *
 * Heggan, Hospedales, Budgett, Yaghoobi, "MT-SLVR", Interspeech 2023, arXiv 2305.17191; CHeggan/MT-SLVR Models_@13b49c20 (no licence:
 * written from its description), whose parameter names are kept.
 *
 * Legend: B rows, I channels, F bands, T frames, C channels of a map, O width of a task's output.
 */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type Features,
  type ForwardOptions,
  type Params,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { buffersOf, copyParams, mergeParams, prefixed, tf, withoutGradient } from '@unlabel/engine';
import { batchNorm, convNorm, linear, maxPool2d, type Layer, type LayerOptions } from '@unlabel/nn';
import { adaptedConv, pooledShortcut, type AdapterKind } from './mt-slvr-adapters.ts';
import { buildResnet } from './resnet.ts';

export const adapterKinds = ['none', 'split', 'bn', 'series', 'parallel'] as const;

export const mtSlvrResnetConfigSchema = z.strictObject({
  adapter: z.enum(adapterKinds).default('parallel').meta({ paper: '§3.2' }),
  /** 1 for `none`, whose output both tasks share. */
  tasks: z.int().min(1).max(8).default(2),
  /** O */
  outputs: z.int().min(1).default(500).meta({ symbol: 'O', paper: '1000 in all' }),
  /** Blocks of each stage. */
  layers: z.array(z.int().min(1)).length(4).default([2, 2, 2, 2]),
  /** I: log-mel, log amplitude and phase. */
  channels: z.int().min(1).default(3).meta({ symbol: 'I' }),
  /** Channels of the stem; stages have 1, 2, 4, 8 times as many. */
  width: z.int().min(1).default(64),
  /** Kernel of the stem. */
  stem: z.literal(7).default(7),
  block: z.literal('basic').default('basic'),
});
export type MtSlvrResnetConfig = z.output<typeof mtSlvrResnetConfigSchema>;

export interface MtSlvrForwardOptions extends ForwardOptions {
  /** Rows are this many equal runs (views), normalised apart. Default: one. */
  readonly groups?: number;
  /** Compute these tasks only. Default: all. */
  readonly tasks?: readonly number[];
}

export interface MtSlvrResnet extends Backbone {
  readonly config: MtSlvrResnetConfig;
  /** `branches` are the tasks' outputs [B, O] by number; `clip` has those that were asked for side by side. */
  forward(x: Tensor, options: MtSlvrForwardOptions): Features & { readonly branches: Readonly<Record<string, Tensor>> };
  clone(): MtSlvrResnet;
}

/** Feature maps by name: `layer1` … `layer4` [B, F/s, T/s, C], s = 4, 8, 16, 32; of task t of an adapter network `task<t>.layer2` … */
export const mtSlvrResnet: BackboneFamily = { id: 'resnet-adapters', build: buildMtSlvrResnet };

/** What both kinds of trunk do: image [B, F, T, I] → the last map of each task, and pooled [B, 8·width]. */
interface Trunk {
  readonly params: Params;
  forward(x: Tensor, tasks: readonly number[], options: MtSlvrForwardOptions, keep: Keep): ReadonlyMap<number, Tensor>;
}
type Keep = (name: string, map: Tensor) => Tensor;

export function buildMtSlvrResnet(config: Readonly<Record<string, unknown>>, rng: Rng): MtSlvrResnet {
  const parsed = parseConfig(mtSlvrResnetConfigSchema, config, 'resnet-adapters');
  const { adapter, tasks, outputs, channels, width } = parsed;
  if (adapter === 'none' && tasks !== 1) {
    throw new ConfigError(
      `resnet-adapters: adapter none has one output for all tasks; found tasks ${tasks}, set it to 1`,
    );
  }
  const trunk =
    adapter === 'none' || adapter === 'split' ? plainTrunk(parsed, rng) : adaptedTrunk(adapter, parsed, rng);
  const heads = Array.from({ length: tasks }, (_, t) => linear(8 * width, outputs, rng.fork(`fc.${t}`)));
  const nameOf = (t: number): string => (adapter === 'none' ? 'fc' : `fc_layers.${t}`);
  const params = mergeParams(trunk.params, ...heads.map((head, t) => prefixed(nameOf(t), head.params)));
  const everything = heads.map((_, t) => t);

  return {
    id: 'resnet-adapters',
    config: parsed,
    params,
    width: tasks * outputs,
    frameWidth: 0,
    frameStride: 1, // any number of frames will do: the map is averaged
    forward(x, options) {
      const wanted = options.tasks ?? everything;
      const maps: Record<string, Tensor> = {};
      const keep: Keep = (name, map) => {
        if (options.maps?.includes(name)) maps[name] = map;
        return map;
      };
      const pooled = trunk.forward(imageOf(x, channels), wanted, options, keep);
      const branches = Object.fromEntries(wanted.map((t) => [String(t), heads[t]!.forward(pooled.get(t)!, options)]));
      return { clip: tf.concat(Object.values(branches), 1), branches, maps };
    },
    clone() {
      const copy = buildMtSlvrResnet(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

/** [B, I·F, T], channels one above the other as front-ends stack them → [B, F, T, I]; [B, F, T, I] stays. */
function imageOf(x: Tensor, channels: number): Tensor {
  if (x.rank === 4 && x.shape[3] === channels) return x;
  const [rows = 0, bands = 0, frames = 0] = x.shape;
  if (x.rank !== 3 || bands % channels !== 0) {
    throw new ConfigError(
      `resnet-adapters: input is [${x.shape.join(', ')}]; expected [rows, ${channels} · bands, frames] or [rows, bands, frames, ${channels}]`,
    );
  }
  return tf.transpose(tf.reshape(x, [rows, channels, bands / channels, frames]), [0, 2, 3, 1]);
}

/** torchvision's: all tasks see the same. */
function plainTrunk({ channels, width, layers }: MtSlvrResnetConfig, rng: Rng): Trunk {
  const widths = [1, 2, 4, 8].map((times) => times * width);
  const resnet = buildResnet({ depth: 18, blocks: layers, widths, channels }, rng);
  return {
    params: resnet.params,
    forward(x, tasks, options, keep) {
      const { clip, maps = {} } = resnet.forward(x, options);
      for (const [name, map] of Object.entries(maps)) keep(name, map);
      return new Map(tasks.map((t) => [t, clip]));
    },
  };
}

function adaptedTrunk(kind: AdapterKind, config: MtSlvrResnetConfig, rng: Rng): Trunk {
  const { channels, width, layers, tasks } = config;
  const stem = convNorm(channels, width, 7, rng.fork('conv1'), { stride: 2, padding: 3, init: 'kaimingFanOut' });
  const pool = maxPool2d(3, { stride: 2, padding: 1 });
  let inputs = width;
  const stages = layers.map((count, stage) =>
    Array.from({ length: count }, (_, b) => {
      const outputs = width * 2 ** stage;
      const stride = b === 0 && stage > 0 ? 2 : 1;
      const shape = { kind, outputs, tasks: stage === 0 ? 1 : tasks };
      const at = rng.fork(`layer${stage + 1}.${b}`);
      const block = {
        first: adaptedConv({ ...shape, inputs, stride, relu: true }, at.fork('conv1')),
        second: adaptedConv({ ...shape, inputs: outputs, stride: 1, relu: false }, at.fork('conv2')),
        stride,
        outputs,
      };
      inputs = outputs;
      return block;
    }),
  );
  const ends: Layer[] = Array.from({ length: tasks }, () => batchNorm(8 * width, { relu: true }));
  const first = mergeParams(
    prefixed('conv1', stem.conv.params),
    prefixed('bn1', stem.norm.params),
    ...paramsOf(stages, 0),
  );
  const shared = [...buffersOf(first).values()];
  const runStage = (stage: number, x: Tensor, task: number, options: LayerOptions): Tensor =>
    stages[stage]!.reduce((h, { first: one, second, stride, outputs }) => {
      const path = second.forward(one.forward(h, task, options), task, options);
      return tf.relu(tf.add(path, stride === 1 ? h : pooledShortcut(h, outputs)));
    }, x);

  return {
    params: mergeParams(
      first,
      ...[1, 2, 3].flatMap((stage) => paramsOf(stages, stage)),
      ...ends.map((end, t) => prefixed(`end_bns.${t}.0`, end.params)),
    ),
    forward(x, wanted, { training, groups, maps: _maps }, keep) {
      const options: LayerOptions = { training, ...(groups === undefined ? {} : { groups }) };
      // Stem and stage 1 are computed once for all tasks. The authors run them for each, so their running statistics move as often.
      const before =
        training && wanted.length > 1 ? shared.map((buffer) => withoutGradient(() => tf.clone(buffer))) : [];
      const start = keep('layer1', runStage(0, pool.forward(stem.forward(x, options), options), 0, options));
      before.forEach((held, i) => repeatUpdate(shared[i]!, held, wanted.length, 0.9 ** (groups ?? 1)));
      return new Map(
        wanted.map((task) => {
          let h = start;
          for (const stage of [1, 2, 3]) h = keep(`task${task}.layer${stage + 1}`, runStage(stage, h, task, options));
          return [task, tf.mean(ends[task]!.forward(h, options), [1, 2])];
        }),
      );
    },
  };
}

const paramsOf = (
  stages: readonly (readonly { readonly first: { params: Params }; readonly second: { params: Params } }[])[],
  stage: number,
): Params[] =>
  stages[stage]!.flatMap(({ first, second }, b) => [
    prefixed(`layer${stage + 1}.${b}.conv1`, first.params),
    prefixed(`layer${stage + 1}.${b}.conv2`, second.params),
  ]);

/** What `times` equal updates make of a buffer that one update moved from `before`: each is r ← keep·r + u with the same u. */
function repeatUpdate(
  buffer: Tensor & { assign(value: Tensor): void },
  before: Tensor,
  times: number,
  keep: number,
): void {
  withoutGradient(() =>
    tf.tidy(() => {
      const moved = tf.sub(buffer, tf.mul(before, keep)); // u
      let next: Tensor = tf.clone(buffer);
      for (let i = 1; i < times; i++) next = tf.add(tf.mul(next, keep), moved);
      buffer.assign(next);
    }),
  );
}
