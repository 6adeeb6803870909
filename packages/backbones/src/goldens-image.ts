/** Targets of the image backbones' goldens. */
import {
  createRng,
  type Backbone,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, disposeParams, gradientToArray, tf, toArrays, valueAndGrads } from '@unlabel/engine';
import { dinoHead, linear, sequential, stateless, type Layer } from '@unlabel/nn';
import { buildResnet } from './resnet.ts';
import { buildVit, type Vit } from './vit.ts';

const rng = createRng(0);
type Listed = readonly (readonly [string, readonly number[]])[];
type Outputs = Record<string, NdArray | number>;

/** The image rule [B, C, H, W], ours [B, H, W, C]. */
export function goldenImage(key: string, shape: readonly number[], tools: GoldenTools): Tensor {
  const { data: noise } = tools.tensor(`input:${key}`, shape, 1);
  const [, channels = 1, height = 1, width = 1] = shape;
  const data = noise.map((r, i) => {
    const [x, y] = [i % width, Math.floor(i / width) % height];
    const plane = Math.floor(i / width / height);
    const [c, b] = [plane % channels, Math.floor(plane / channels)];
    return 0.5 * Math.sin(2 * Math.PI * (0.07 * (b + 1) * x + 0.05 * (c + 1) * y) + b + c) + 0.5 * r;
  });
  return tf.tidy(() => tf.transpose(tf.tensor(data, [...shape]), [0, 2, 3, 1]));
}

export async function readImage(tensor: Tensor, isMap = tensor.rank === 4): Promise<NdArray> {
  const turned = tf.tidy(() => (isMap ? tf.transpose(tensor, [0, 3, 1, 2]) : tf.clone(tensor)));
  try {
    return { data: (await turned.data<'float32'>()).slice(), shape: turned.shape };
  } finally {
    turned.dispose();
  }
}

/** The listed parameters under `prefix`, by the hash rule, its names without the prefix. */
export const ruleArrays = (list: unknown, prefix: string, tools: GoldenTools): Record<string, NdArray> =>
  Object.fromEntries(
    (list as Listed)
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, shape]) => [key.slice(prefix.length), tools.parameter(key, shape)]),
  );

/** torchvision's `fc`: a classifier, or MoCo v2's two layers. */
function buildHead(arrays: Readonly<Record<string, NdArray>>): Layer {
  const layer = (name: string): Layer => {
    const [outputs = 1, inputs = 1] = arrays[`${name}.weight`]!.shape;
    return linear(inputs, outputs, rng);
  };
  const relu = stateless((x) => tf.relu(x));
  const head = 'fc.weight' in arrays ? layer('fc') : sequential([layer('fc.0'), relu, layer('fc.2')]);
  assignArrays(
    head.params,
    pick(arrays, (name) => name.startsWith('fc.')),
    { rename: (name) => name.slice(3) },
  );
  return head;
}

const pick = (arrays: Readonly<Record<string, NdArray>>, wanted: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(arrays).filter(([name]) => wanted(name)));

const stages = ['stem', 'layer1', 'layer2', 'layer3', 'layer4'];

function buildListed(arrays: Readonly<Record<string, NdArray>>): Backbone {
  const blocks = stages.slice(1).map((stage) => {
    const of = Object.keys(arrays).filter((name) => name.startsWith(`${stage}.`));
    return new Set(of.map((name) => name.split('.')[1])).size;
  });
  const widths = stages.slice(1).map((stage) => arrays[`${stage}.0.conv1.weight`]!.shape[0]!);
  const depth = 'layer1.0.conv3.weight' in arrays ? 50 : 18;
  const backbone = buildResnet({ depth, blocks, widths }, rng);
  assignArrays(
    backbone.params,
    pick(arrays, (name) => !name.startsWith('fc.')),
  );
  return backbone;
}

async function pass(backbone: Backbone, head: Layer, x: Tensor): Promise<Outputs> {
  const tensors: Record<string, Tensor> = tf.tidy(() => {
    const { clip, maps } = backbone.forward(x, { training: false, maps: stages });
    return { ...maps, pooled: clip, fc: head.forward(clip, { training: false }) };
  });
  const outputs: Outputs = {};
  for (const [name, tensor] of Object.entries(tensors)) outputs[`eval.${name}`] = await readImage(tensor);
  tf.dispose(tensors);
  return outputs;
}

/** Train mode: outputs, gradients of mean(fc²), running statistics afterwards. */
async function trainingStep(backbone: Backbone, head: Layer, x: Tensor): Promise<Outputs> {
  const outputs: Outputs = {};
  const held: Record<string, Tensor> = {};
  const { loss, grads, dispose } = valueAndGrads(backbone.params, () => {
    const { clip, maps } = backbone.forward(x, { training: true, maps: stages });
    const fc = head.forward(clip, { training: true });
    for (const [name, map] of Object.entries({ ...maps, pooled: clip, fc })) held[name] = tf.keep(tf.clone(map));
    return { loss: tf.mean(tf.square(fc)) as Scalar, logs: {} };
  });
  outputs['train.loss_mean_square_fc'] = (await loss.data())[0]!;
  for (const [name, map] of Object.entries(held)) outputs[`train.${name}`] = await readImage(map);
  for (const [name, grad] of grads) {
    outputs[`train.grad.${name}`] = await gradientToArray(grad, backbone.params.get(name)!);
  }
  for (const [name, array] of Object.entries(await toArrays(backbone.params))) {
    const buffer = /^(.*)\.(running_(?:mean|var))$/.exec(name);
    if (buffer) outputs[`train.${buffer[2]}.${buffer[1]}`] = array;
  }
  dispose();
  tf.dispose(held);
  return outputs;
}

async function runResnet(golden: GoldenFile, tools: GoldenTools): Promise<Outputs> {
  const { image, prefix = '' } = golden.config as { image?: number[]; prefix?: string };
  const isCheckpoint = 'params_q' in golden;
  const arrays = isCheckpoint
    ? ruleArrays(golden['params_q'], 'module.encoder_q.', tools)
    : ruleArrays(golden.params, prefix, tools);
  const backbone = buildListed(arrays);
  const head = buildHead(arrays);
  const x = goldenImage(String(golden['image_key']), image ?? [2, 3, 64, 64], tools);
  const outputs = await pass(backbone, head, x);
  if (Object.keys(golden.outputs as object).some((name) => name.startsWith('train.'))) {
    Object.assign(outputs, await trainingStep(backbone, head, x));
  }
  x.dispose();
  disposeParams(backbone.params);
  disposeParams(head.params);
  return outputs;
}

const resnetTarget: GoldenTarget = { run: runResnet };

interface VitGolden {
  readonly patch_size: number;
  readonly embed_dim: number;
  readonly depth: number;
  readonly num_heads: number;
  readonly img_size: number | readonly [number];
}

function buildListedVit(arrays: Readonly<Record<string, NdArray>>, config: VitGolden): Vit {
  const { patch_size, embed_dim: width, depth, num_heads: heads, img_size } = config;
  const imageSize = typeof img_size === 'number' ? img_size : img_size[0];
  const backbone = buildVit({ patchSize: patch_size, imageSize, width, depth, heads }, rng);
  assignArrays(backbone.params, arrays);
  return backbone;
}

/** Class tokens of the last four blocks behind the final norm, side by side: DINO's linear probe. [B, 4·D] */
const lastClassTokens = (backbone: Vit, blocks: readonly Tensor[]): Tensor =>
  tf.concat(
    blocks.slice(-4).map((block) => tf.squeeze(tf.slice(backbone.norm(block), [0, 0, 0], [-1, 1, -1]), [1])),
    1,
  );

const dinoVit: GoldenTarget = {
  async run(golden, tools) {
    const backbone = buildListedVit(ruleArrays(golden.params, '', tools), golden.config as VitGolden);
    const outputs: Outputs = {};
    for (const shape of golden['shapes'] as number[][]) {
      const size = `${shape[2]}x${shape[3]}`;
      const x = goldenImage(`${golden.name}.${size}`, shape, tools);
      const tensors: Record<string, Tensor> = tf.tidy(() => {
        const { clip, maps } = backbone.forward(x, { training: false, maps: ['patches'] });
        const traced = backbone.trace(x, { training: false });
        return {
          tokens: traced.embedded,
          pos_encoding: traced.positions.clone(),
          ...Object.fromEntries(traced.blocks.map((block, i) => [`block${i}`, block])),
          cls: clip,
          last_attention: traced.attention,
          last4_cls: lastClassTokens(backbone, traced.blocks),
          avgpool_patch: tf.mean(maps!['patches']!, [1, 2]),
        };
      });
      for (const [name, tensor] of Object.entries(tensors)) outputs[`${size}.${name}`] = await readImage(tensor, false);
      tf.dispose([x, ...Object.values(tensors)]);
    }
    disposeParams(backbone.params);
    return outputs;
  },
};

interface DinoCheckpoint extends VitGolden {
  readonly head: { readonly hidden: number; readonly bottleneck: number; readonly out: number };
}

/** DINO's teacher, backbone and head, under the names of its checkpoints. */
const dinoCheckpoint: GoldenTarget = {
  async run(golden, tools) {
    const config = golden.config as DinoCheckpoint;
    const list = golden['params_teacher'];
    const backbone = buildListedVit(ruleArrays(list, 'backbone.', tools), config);
    const { hidden, bottleneck, out } = config.head;
    const head = dinoHead({ inputs: config.embed_dim, hidden, bottleneck, outputs: out }, rng);
    assignArrays(head.params, ruleArrays(list, 'head.', tools));
    const x = goldenImage(
      String(golden['image_key']),
      [2, 3, config.img_size as number, config.img_size as number],
      tools,
    );
    const tensors: Record<string, Tensor> = tf.tidy(() => {
      const { clip } = backbone.forward(x, { training: false });
      return { cls: clip, head: head.forward(clip, { training: false }) };
    });
    const outputs: Outputs = {};
    for (const [name, tensor] of Object.entries(tensors)) outputs[name] = await readImage(tensor);
    tf.dispose([x, ...Object.values(tensors)]);
    disposeParams(backbone.params);
    disposeParams(head.params);
    return outputs;
  },
};

export const imageGoldens: GoldenTargets = {
  'resnet*': resnetTarget,
  'ckpt-moco-tiny': resnetTarget,
  'dino-vit*': dinoVit,
  'ckpt-dino-tiny': dinoCheckpoint,
};
