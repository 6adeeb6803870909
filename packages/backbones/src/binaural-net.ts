/**
 * The audio network of binaural scene perception: one mono network for both ears, five convolutions 4×4 of stride 2 with batch norm and
 * LeakyReLU 0.2 on log power spectrograms; the means of left and right side by side.
 *
 * Vasudevan, Dai, Van Gool, "Semantic Object Prediction and Spatial Sound Super-Resolution with Binaural Sounds", ECCV 2020, arXiv
 * 2003.04210. Layout and names as arunbalajeev/binaural-sound-perception@1c0bb189 (CC BY-NC: written from its description), where 2 s at
 * 48 kHz go (257, 601) → (128, 300) → (64, 150) → (32, 75) → (16, 37) → (8, 18).
 *
 * Legend: B rows, F bins, T frames, C channels of the last layer.
 */
import { z } from 'zod';
import { ConfigError, parseConfig, type Backbone, type BackboneFamily, type Rng, type Tensor } from '@unlabel/core';
import { copyParams, mergeParams, prefixed, tf } from '@unlabel/engine';
import { batchNorm, conv2d } from '@unlabel/nn';

export const binauralConfigSchema = z.strictObject({
  channels: z.array(z.int().min(1).max(4096)).min(1).default([64, 128, 256, 512, 512]),
});

/** Feature maps offered by name: `left.conv1`, …, `right.conv5` [B, F/2ⁱ, T/2ⁱ, C], and `conv1`, … [2B, …], left rows before right. */
export const binauralNet: BackboneFamily = { id: 'binaural-net', build: buildBinauralNet };

/** x [B, 2, F, T] → clip [B, 2C], left before right. */
export function buildBinauralNet(config: Readonly<Record<string, unknown>>, rng: Rng): Backbone {
  const parsed = parseConfig(binauralConfigSchema, config, 'binaural-net');
  const layers = parsed.channels.map((width, i) => ({
    conv: conv2d(parsed.channels[i - 1] ?? 1, width, 4, rng.fork(`layer${i + 1}`), { stride: 2, padding: 1 }),
    norm: batchNorm(width),
  }));
  const params = mergeParams(
    ...layers.flatMap(({ conv, norm }, i) => [
      prefixed(`audionet_convlayer${i + 1}.0`, conv.params),
      prefixed(`audionet_convlayer${i + 1}.1`, norm.params),
    ]),
  );
  const width = 2 * parsed.channels.at(-1)!;
  return {
    id: 'binaural-net',
    config: parsed,
    params,
    width,
    frameWidth: 0,
    frameStride: 2 ** layers.length,
    mapWidths: Object.fromEntries(parsed.channels.map((channels, i) => [`conv${i + 1}`, channels])),
    forward(x, options) {
      const [rows, ears, bins = 0, frames = 0] = x.shape;
      const least = 2 ** layers.length;
      if (x.rank !== 4 || ears !== 2 || bins < least || frames < least) {
        throw new ConfigError(
          `binaural-net: input is [${x.shape.join(', ')}]; expected [rows, 2, ${least} bins or more, ${least} frames or more]`,
        );
      }
      const [left, right] = tf.split(x, 2, 1); // the ears pass as rows of one batch: [B, 1, F, T] each
      let h: Tensor = tf.reshape(tf.concat([left!, right!]), [2 * rows!, bins, frames, 1]);
      const maps: Record<string, Tensor> = {};
      layers.forEach(({ conv, norm }, i) => {
        h = tf.leakyRelu(norm.forward(conv.forward(h, options), options), 0.2); // [2B, F/2ⁱ, T/2ⁱ, C]
        const stage = `conv${i + 1}`;
        if (options.lateral) h = options.lateral(stage, h);
        if (options.maps?.includes(stage)) maps[stage] = h;
        const [l, r] = tf.split(h, 2);
        for (const [ear, map] of [
          ['left', l!],
          ['right', r!],
        ] as const) {
          const name = `${ear}.${stage}`;
          if (options.maps?.includes(name)) maps[name] = map;
        }
      });
      return { clip: tf.concat(tf.split(tf.mean(h, [1, 2]), 2), 1), maps };
    },
    clone() {
      const copy = buildBinauralNet(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}
