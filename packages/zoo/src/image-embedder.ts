/** An ImageEmbedder over a backbone: images resized, cut and normalised as its config says, a pass of so many at a time. */
import { ConfigError, parseConfig, type Backbone, type ImageEmbedder, type ImageInput } from '@unlabel/core';
import { countParams, tf } from '@unlabel/engine';
import { prepareImage } from '@unlabel/image';
import { z } from 'zod';
import type { NetworkOptions } from './network-embedder.ts';

const triple = z.tuple([z.number(), z.number(), z.number()]);
const imageInputSchema = z.object({
  size: z.int().positive(),
  resize: z.int().positive(),
  interpolation: z.enum(['bilinear', 'bicubic']),
  mean: triple,
  std: triple,
});

/**
 * `input.image` of a model config.
 * @throws ConfigError naming the source when the model says nothing of images
 */
export function imageInputOf(input: Readonly<Record<string, unknown>>, source: string): ImageInput {
  if (input['image'] === undefined)
    throw new ConfigError(
      `${source}: its config does not say how it takes images; expected input.image with size, resize, interpolation, mean and std`,
    );
  return parseConfig(imageInputSchema, input['image'], `${source}: input.image`);
}

/** Pixels of a pass: 64 images of 64 × 64, or five of 224 × 224; more at once are not faster. */
const pixelsPerPass = 2 ** 18;
/** A ResNet-50 holds about this many bytes a pixel of its input while it runs. */
const bytesPerPixel = 400;

/** Rows do not depend on the images beside them: passes are cut by the size alone, smaller where the memory is less. */
export function imageEmbedder({ id, backbone, config, fingerprint, source }: NetworkOptions): ImageEmbedder {
  const input = imageInputOf(config.input, source);
  const pixels = input.size ** 2;
  let perPass = Math.max(1, Math.floor(pixelsPerPass / pixels));
  return {
    id,
    method: config.method,
    fingerprint,
    embeddingSize: backbone.width,
    params: countParams(backbone.params),
    source,
    async embedImages(images, crop) {
      const out = new Float32Array(images.length * backbone.width);
      for (let first = 0; first < images.length; first += perPass) {
        const rows = images.slice(first, first + perPass);
        const batch = new Float32Array(rows.length * pixels * 3);
        rows.forEach((image, i) => batch.set(prepareImage(image, input, crop), i * pixels * 3));
        out.set(await clipOf(backbone, batch, [rows.length, input.size, input.size, 3]), first * backbone.width);
      }
      return out;
    },
    setMemory(bytes) {
      perPass = Math.max(1, Math.min(perPass, Math.floor(bytes / (pixels * bytesPerPixel))));
    },
    dispose() {
      tf.dispose([...backbone.params.values()]);
    },
  };
}

async function clipOf(
  backbone: Backbone,
  batch: Float32Array,
  shape: [number, number, number, number],
): Promise<Float32Array> {
  const result = tf.tidy(() => backbone.forward(tf.tensor4d(batch, shape), { training: false }).clip);
  const values = (await result.data()) as Float32Array;
  result.dispose();
  return values;
}
