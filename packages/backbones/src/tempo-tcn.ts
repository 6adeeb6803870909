/**
 * The temporal convolutional network of equivariant tempo estimation: Quinton, "Equivariant self-supervision for musical tempo
 * estimation", ISMIR 2022, arXiv 2209.01478v1; Quint-e/equivariant-self-supervision-tempo@82ec6aa. Parameters carry that
 * repository's names, and its checkpoint loads by name.
 *
 * Followed as it is: valid convolutions in front (two frames are lost at either end), sums of skip connections that lead nowhere
 * left out.
 *
 * Legend: B rows, F mel bands, T frames, T′ = T − (first − 1) − (second − 1), C channels.
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
import { copyParams, dense, init, mergeParams, parameter, prefixed, tf, type Tensor4D } from '@unlabel/engine';
import { batchNorm, dropout, forked, linear, type Layer } from '@unlabel/nn';

export const tempoTcnConfigSchema = z.strictObject({
  /** F: mel bands of the input. */
  bands: z.int().min(1).max(1024).default(81).meta({ symbol: 'F' }),
  channels: z.int().min(1).max(1024).default(16).meta({ symbol: 'C' }),
  /** Dilated blocks; the dilation doubles from each to the next. */
  blocks: z.int().min(1).max(16).default(10),
  /** Taps of a dilated convolution, odd. */
  kernel: z
    .int()
    .min(1)
    .max(63)
    .refine((taps) => taps % 2 === 1, 'must be odd')
    .default(5),
  /** Side of the first square convolution. */
  first: z.int().min(1).max(31).default(3),
  /** Side of the second. */
  second: z.int().min(1).max(31).default(3),
  /** Bands the third convolution takes into one: all that two poolings by 3 leave. */
  third: z.int().min(1).max(256).default(8),
  /** Classes of the second head, one a whole BPM. */
  outputs: z.int().min(1).max(4096).default(300),
  dropout: z.number().min(0).lt(1).default(0),
});
export type TempoTcnConfig = z.output<typeof tempoTcnConfigSchema>;

/** Bands a pooling takes into one. */
const POOL = 3;

/**
 * `clip` [B, C] is `tempo_block.dense` before its ELU, what the published fine-tuning takes; `frames` [B, T′, C] are the network's
 * features in front of the mean over time, frame i standing for input frame i + lostFrames/2. `branches` are the heads:
 * `z` [B, 1], proportional to the tempo up to a factor, and `tempo` [B, outputs], logits of the tempo classes. Maps by name:
 * `bn_input` [B, F, T, 1], `conv1`, `conv2`, `conv3` before their ELU [B, F′, T″, C], `tcn0` … [B, 1, T′, C].
 */
export const tempoTcn: BackboneFamily = { id: 'tempo-tcn', build: buildTempoTcn };

export function buildTempoTcn(config: Readonly<Record<string, unknown>>, rng: Rng): Backbone {
  const parsed = parseConfig(tempoTcnConfigSchema, config, 'tempo-tcn');
  const { bands, channels, blocks, kernel, first, second, third, outputs } = parsed;
  const pooled = (n: number, side: number): number => Math.floor((n - side + 1) / POOL);
  const left = pooled(pooled(bands, first), second);
  if (left !== third) {
    throw new ConfigError(
      `tempo-tcn: ${bands} bands leave ${Math.max(0, left)} for conv3, which takes ${third}. Set bands or third to match.`,
    );
  }
  const lost = first - 1 + (second - 1);
  const norm = batchNorm(1);
  const conv1 = convolution([channels, 1, first, first], rng.fork('conv1'));
  const conv2 = convolution([channels, channels, second, second], rng.fork('conv2'));
  const conv3 = convolution([channels, channels, third, 1], rng.fork('conv3'));
  const drop = dropout(parsed.dropout);
  const stack = Array.from({ length: blocks }, (_, i) => {
    const name = blockName(i);
    return residualBlock(channels, kernel, 2 ** i, drop, rng.fork(name));
  });
  const hidden = linear(channels, channels, rng.fork('tempo_block.dense'));
  const classes = linear(channels, outputs, rng.fork('tempo_block.output'));
  const regression = linear(channels, 1, rng.fork('tempo_block.output_reg'));
  const params: Params = mergeParams(
    prefixed('bn_input', norm.params),
    prefixed('conv1', conv1.params),
    prefixed('conv2', conv2.params),
    prefixed('conv3', conv3.params),
    ...stack.map((block, i) => prefixed(blockName(i), block.params)),
    prefixed('tempo_block.dense', hidden.params),
    prefixed('tempo_block.output', classes.params),
    prefixed('tempo_block.output_reg', regression.params),
  );

  const forward = (x: Tensor, options: ForwardOptions): Features => {
    const [, f, t = 0] = x.shape;
    if (x.rank !== 3 || f !== bands || t <= lost) {
      throw new ConfigError(
        `tempo-tcn: input is [${x.shape.join(', ')}]; expected [rows, ${bands}, ${lost + 1} frames or more]`,
      );
    }
    const maps: Record<string, Tensor> = {};
    const keep = (name: string, map: Tensor): Tensor => (maps[name] = map);
    let h = keep('bn_input', norm.forward(tf.expandDims(x, 3), options)); // [B, F, T, 1]
    h = poolBands(elu(keep('conv1', conv1.forward(h, options)))); // [B, ⌊(F−2)/3⌋, T−2, C]
    h = poolBands(elu(keep('conv2', conv2.forward(h, options)))); // [B, third, T′, C]
    h = tf.squeeze(elu(keep('conv3', conv3.forward(h, options))), [1]); // [B, T′, C]
    stack.forEach((block, i) => {
      h = block.forward(h, forked(options, blockName(i)));
      maps[`tcn${i}`] = tf.expandDims(h, 1);
    });
    const frames = elu(h); // [B, T′, C]
    const pooledTime = meanTime(frames, options.lengths && tf.sub(options.lengths, lost));
    const clip = hidden.forward(drop.forward(pooledTime, forked(options, 'dropout')), options); // [B, C]
    const top = elu(clip);
    const wanted = options.maps?.filter((name) => name in maps) ?? [];
    return {
      clip,
      frames,
      branches: { z: regression.forward(top, options), tempo: classes.forward(top, options) },
      maps: Object.fromEntries(wanted.map((name) => [name, maps[name]!])),
    };
  };

  return {
    id: 'tempo-tcn',
    config: parsed,
    params,
    width: channels,
    frameWidth: channels,
    frameStride: 1,
    lostFrames: lost,
    forward,
    clone() {
      const copy = buildTempoTcn(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

const blockName = (i: number): string => `tcn_block.model.TCNBlock${i}`;

/** Convolution without padding of a rectangular kernel, torch's initialisation. [B, H, W, in] → [B, H−h+1, W−w+1, out] */
function convolution(shape: readonly [number, number, number, number], rng: Rng): Layer {
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')), { layout: 'conv2d' });
  const bias = parameter(init.defaultBias(shape, rng.fork('bias')));
  return {
    params: new Map([
      ['weight', weight],
      ['bias', bias],
    ]),
    forward: (x) => tf.add(tf.conv2d(x as Tensor4D, weight as unknown as Tensor4D, 1, 'valid'), bias),
  };
}

/**
 * Dilated convolution over time, zeros around so that T stays. [B, T, in] → [B, T, out]. The taps are laid side by side for one
 * product: TensorFlow.js has no gradient for dilated convolutions.
 */
function timeConvolution(inputs: number, outputs: number, taps: number, dilation: number, rng: Rng): Layer {
  const shape = [outputs, inputs, taps];
  const weight = parameter(init.kaimingUniform(shape, rng.fork('weight')), { layout: 'conv1d' }); // in memory [taps, in, out]
  const bias = parameter(init.defaultBias(shape, rng.fork('bias')));
  const reach = ((taps - 1) / 2) * dilation;
  return {
    params: new Map([
      ['weight', weight],
      ['bias', bias],
    ]),
    forward(x) {
      const [rows, time] = x.shape as [number, number, number];
      const matrix = tf.reshape(weight, [taps * inputs, outputs]);
      if (taps === 1) return dense(x, matrix, bias);
      const padded = tf.pad(x, [[0, 0], [reach, reach], [0, 0]]); // prettier-ignore
      const shifted = Array.from({ length: taps }, (_, k) =>
        tf.slice(padded, [0, k * dilation, 0], [rows, time, inputs]),
      );
      return dense(tf.concat(shifted, 2), matrix, bias); // [B, T, taps·in] × [taps·in, out]
    },
  };
}

/** 1×1(dropout(ELU(dilated(x)))) + 1×1(x), no activation behind the sum. */
function residualBlock(channels: number, taps: number, dilation: number, drop: Layer, rng: Rng): Layer {
  const conv = timeConvolution(channels, channels, taps, dilation, rng.fork('conv'));
  const mix = timeConvolution(channels, channels, 1, 1, rng.fork('conv1x1'));
  const residual = timeConvolution(channels, channels, 1, 1, rng.fork('conv1x1_res'));
  return {
    params: mergeParams(
      prefixed('conv', conv.params),
      prefixed('conv1x1', mix.params),
      prefixed('conv1x1_res', residual.params),
    ),
    forward: (x, options) =>
      tf.add(mix.forward(drop.forward(elu(conv.forward(x, options)), options), options), residual.forward(x, options)),
  };
}

/** x where positive, eˣ − 1 elsewhere; its slope is y + 1 there, written here because not every engine has it. */
function elu(x: Tensor): Tensor {
  const op = tf.customGrad((...args) => {
    const [input, save] = args as [Tensor, (saved: Tensor[]) => void];
    const value = tf.elu(input);
    save([value]);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => tf.mul(dy, tf.minimum(tf.add(saved[0]!, 1), 1));
    return { value, gradFunc };
  });
  return op(x);
}

/** Largest of three neighbouring bands. [B, F, T, C] → [B, ⌊F/3⌋, T, C] */
const poolBands = (x: Tensor): Tensor => tf.maxPool(x as Tensor4D, [POOL, 1], [POOL, 1], 'valid');

/** Mean over time [B, T′, C] → [B, C], over the first `valid` [B] frames of each row when given. */
function meanTime(frames: Tensor, valid?: Tensor): Tensor {
  if (!valid) return tf.mean(frames, 1);
  const count = tf.maximum(tf.reshape(tf.cast(valid, 'float32'), [-1, 1]), 1); // [B, 1]
  const mask = tf.cast(tf.less(tf.range(0, frames.shape[1]!, 1, 'float32'), count), 'float32'); // [B, T′]
  return tf.div(tf.sum(tf.mul(frames, tf.expandDims(mask, 2)), 1), count);
}
