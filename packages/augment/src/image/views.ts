/**
 * The random views of image methods: crop, flip, colour jitter, grey, blur, solarize, normalise, with the probabilities and ranges of
 * a method's paper. One set of fields serves MoCo v2 and DenseCL, SimCLR, BYOL, Barlow Twins, DINO and VICReg, whose pipelines differ
 * in numbers only. Operators are torchvision's and Pillow's on 8-bit pixels.
 *
 * Papers place the flip before the colours or behind the blur. It commutes with every operator here (the blur is symmetric, bytes
 * included), so that the place makes no difference.
 */
import { z } from 'zod';
import type { InputSpec, NdArray, Rng, Views } from '@unlabel/core';
import { resizeImage } from '@unlabel/image';
import { colorJitter } from './color-jitter.ts';
import { gaussianBlur } from './gaussian-blur.ts';
import { grayscale } from './luma.ts';
import { imageOf, normalizeBytes, toBytes } from './pixels.ts';
import { solarize } from './point.ts';
import { randomCropBox } from './random-resized-crop.ts';

const probability = z.number().min(0).max(1);
const range = z.tuple([z.number().positive(), z.number().positive()]);
const channels = z.tuple([z.number(), z.number(), z.number()]);

/** One view's augmentation. Defaults are those that all the papers share. */
export const imageViewSchema = z.strictObject({
  cropScale: range.default([0.08, 1]).meta({ unit: 'share of the area' }),
  cropRatio: range.default([3 / 4, 4 / 3]).meta({ unit: 'width / height' }),
  flip: probability.default(0.5),
  jitter: probability.default(0.8),
  brightness: z.number().min(0).default(0.4),
  contrast: z.number().min(0).default(0.4),
  saturation: z.number().min(0).default(0.4),
  hue: z.number().min(0).max(0.5).default(0.1),
  gray: probability.default(0.2),
  blur: probability.default(0.5),
  blurSigma: z
    .tuple([z.number().min(0), z.number().min(0)])
    .default([0.1, 2])
    .meta({ unit: 'pixels' }),
  solarize: probability.default(0),
});
export type ImageView = z.output<typeof imageViewSchema>;

/**
 * A view with a paper's own defaults, each field apart: `--set view1.flip=0` changes that one and leaves the paper's others.
 */
export function imageViewWith(defaults: Partial<ImageView>): typeof imageViewSchema {
  const own = imageViewSchema.parse(defaults);
  const fields = Object.entries(imageViewSchema.shape).map(([name, field]) => [
    name,
    (field as z.ZodDefault<z.ZodNumber>).unwrap().default(own[name as keyof ImageView] as number), // as it was parsed
  ]);
  return z.strictObject(Object.fromEntries(fields)) as unknown as typeof imageViewSchema; // the same fields
}

/** A view of small drawings, for the small presets: their colours say much of what they are, and a wide blur leaves little of them. */
export const drawingView = {
  cropScale: [0.25, 1],
  brightness: 0.4,
  contrast: 0.4,
  saturation: 0.2,
  hue: 0.05,
  gray: 0.05,
  blur: 0.1,
  blurSigma: [0.1, 1],
} satisfies Partial<ImageView>;

/** What every image method's config says of its input. */
export const imageInputFields = {
  imageSize: z.int().min(8).max(1024).default(224).meta({ unit: 'pixels' }),
  /** Evaluation: the shorter side is brought to this, then the middle is cut out; 0: 8/7 of `imageSize` (256 for 224). */
  evaluationSide: z.int().min(0).default(0).meta({ unit: 'pixels' }),
  interpolation: z.enum(['bilinear', 'bicubic']).default('bilinear'),
  mean: channels.default([0.485, 0.456, 0.406]).meta({ paper: 'ImageNet' }),
  std: channels.default([0.229, 0.224, 0.225]).meta({ paper: 'ImageNet' }),
  /** Images are brought down to this shorter side once and kept as bytes; 0: decoded as they are at each access. */
  cacheSide: z.int().min(0).default(0).meta({ unit: 'pixels' }),
};
const inputSchema = z.strictObject(imageInputFields);
export type ImageInputFields = z.output<typeof inputSchema>;

/** `Method.input` of an image method. */
export const imageInput = (fields: ImageInputFields): InputSpec => {
  const { imageSize: size, evaluationSide, interpolation, mean, std, cacheSide } = fields;
  const resize = evaluationSide || Math.round((size * 8) / 7);
  const image = { size, resize, interpolation, mean, std };
  return { modality: 'image', image: cacheSide > 0 ? { ...image, cacheSide } : image };
};

/** One random view of an image [H, W, 3] of 0…1 → [S, S, 3], normalised. */
export function randomImageView(image: NdArray, rng: Rng, view: ImageView, input: ImageInputFields): NdArray {
  const [rows = 0, columns = 0] = image.shape;
  const { cropScale: scale, cropRatio: ratio, blurSigma } = view;
  const box = randomCropBox(columns, rows, rng, { scale, ratio });
  let x = resizeImage(toBytes(image, box), input.imageSize, input.imageSize, input.interpolation);
  const isMirrored = rng.chance(view.flip);
  if (rng.chance(view.jitter)) x = colorJitter(x, rng, view);
  if (rng.chance(view.gray)) x = grayscale(x);
  if (rng.chance(view.blur)) x = gaussianBlur(x, rng.range(blurSigma[0], blurSigma[1]));
  if (rng.chance(view.solarize)) x = solarize(x);
  return normalizeBytes(x, input.mean, input.std, isMirrored);
}

/** `Method.views` of a method that compares two random views of an image: `view1` and `view2` [S, S, 3]; `id` is for messages. */
export const twoImageViews =
  (id: string, [first, second]: readonly [ImageView, ImageView], input: ImageInputFields): Views =>
  (sample, { rng }) => {
    const image = imageOf(sample, id);
    return {
      view1: randomImageView(image, rng.fork('view1'), first, input),
      view2: randomImageView(image, rng.fork('view2'), second, input),
    };
  };
