/** Targets of the image operators' goldens: every output by its name, `<back end>.<operator>.<arguments>`. */
import { DataError, type GoldenTarget, type GoldenTargets, type NdArray, type TypedArray } from '@unlabel/core';
import {
  centerCrop,
  cropImage,
  flipHorizontal,
  resizeFloat,
  resizeImage,
  resizeShortSide,
  type CropBox,
  type Interpolation,
  type RgbImage,
} from '@unlabel/image';
import { quarterTurns, rotate, transformAffine } from './affine.ts';
import { jitterBy } from './color-jitter.ts';
import { adjustBrightness, adjustContrast, adjustSaturation, adjustSharpness } from './enhance.ts';
import { gaussianBlur } from './gaussian-blur.ts';
import { adjustHue } from './hue.ts';
import { grayscale, luma } from './luma.ts';
import { normalizeBytes } from './pixels.ts';
import { autocontrast, equalize, invert, posterize, solarize } from './point.ts';
import {
  tensorBlur,
  tensorBrightness,
  tensorContrast,
  tensorGrayscale,
  tensorHue,
  tensorSaturation,
  tensorSolarize,
  type Planar,
} from './tensor-ops.ts';

/** Outside of turned and moved images. */
const fill = [128, 128, 128];
const factors = [1.37, 0.6, 0.7, 0.05];
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

interface Case {
  readonly name: string;
  readonly operator: string;
  /** What follows the operator, joined. */
  readonly rest: string;
  readonly parts: readonly string[];
  readonly boxes: readonly CropBox[];
}

const sizeOfName = (text = ''): [number, number] => {
  const [width = 0, height = width] = text.split('x').map(Number);
  return [width, height];
};
const interpolationOf = (text: string | undefined): 'bilinear' | 'bicubic' =>
  text === 'bicubic' ? 'bicubic' : 'bilinear';

function pillow(image: RgbImage, { operator, rest, parts, boxes }: Case): RgbImage | NdArray<TypedArray> | undefined {
  const amount = Number(rest);
  switch (operator) {
    case 'resize':
      return resizeImage(image, ...sizeOfName(parts[1]), parts[0] as Interpolation);
    case 'resized_crop': {
      const side = Number(parts[2]);
      return resizeImage(cropImage(image, boxOf(parts[1], boxes)), side, side, interpolationOf(parts[0]));
    }
    case 'eval': {
      const [, side, size, how] = /resize(\d+)_center(\d+)_?(\w*)/.exec(rest) ?? [];
      return centerCrop(resizeShortSide(image, Number(side), interpolationOf(how)), Number(size));
    }
    case 'center_crop_larger_than_image':
      return centerCrop(image, 80);
    case 'brightness':
      return adjustBrightness(image, amount);
    case 'contrast':
      return adjustContrast(image, amount);
    case 'saturation':
    case 'color':
      return adjustSaturation(image, amount);
    case 'sharpness':
      return adjustSharpness(image, amount);
    case 'hue':
      return adjustHue(image, amount);
    case 'jitter':
      return jitterBy(image, orderOf(rest), factors);
    case 'grayscale3':
      return grayscale(image);
    case 'grayscale_L':
      return { data: luma(image), shape: [image.height, image.width] };
    case 'gaussian_blur':
      return gaussianBlur(image, amount);
    case 'solarize':
      return solarize(image, amount);
    case 'posterize':
      return posterize(image, amount);
    case 'hflip':
      return flipHorizontal(image);
    case 'invert':
      return invert(image);
    case 'autocontrast':
      return autocontrast(image);
    case 'equalize':
      return equalize(image);
    case 'rotate':
      return rotate(image, 17, fill);
    case 'shear_x':
      return transformAffine(image, [1, 0.2, 0, 0, 1, 0], fill);
    case 'translate_x':
      return transformAffine(image, [1, 0, 7.5, 0, 1, 0], fill);
    case 'rot90':
      return quarterTurns(image, amount);
    default:
      return undefined;
  }
}

function tensor(x: Planar, image: RgbImage, { operator, rest, parts, boxes }: Case): NdArray | undefined {
  const amount = Number(rest);
  switch (operator) {
    case 'resize': {
      const [width, height] = sizeOfName(parts[2]);
      const interpolation = interpolationOf(parts[0]);
      // uint8 tensors are resized by Pillow's arithmetic, in weights of 16 bits
      if (x.bound === 255) return planar(resizeImage(image, width, height, interpolation), 255);
      return resizeFloat(x, width, height, { interpolation, isAntialiased: parts[1] === 'aa' });
    }
    case 'resized_crop': {
      const side = Number(parts[2]);
      const part = planar(cropImage(image, boxOf(parts[1], boxes)), 1);
      return resizeFloat(part, side, side, { interpolation: interpolationOf(parts[0]) });
    }
    case 'brightness':
      return tensorBrightness(x, amount);
    case 'contrast':
      return tensorContrast(x, amount);
    case 'saturation':
      return tensorSaturation(x, amount);
    case 'hue':
      return tensorHue(x, amount);
    case 'jitter': {
      const changes = [tensorBrightness, tensorContrast, tensorSaturation, tensorHue];
      return orderOf(rest).reduce((held, i) => changes[i]!(held, factors[i]!), x);
    }
    case 'grayscale3':
      return tensorGrayscale(x);
    case 'gaussian_blur':
      return tensorBlur(x, Number(parts[0]!.slice(1)), Number(parts.slice(1).join('.')));
    case 'solarize':
      return tensorSolarize(x, amount);
    case 'normalize':
      return turned(normalizeBytes(image, imagenet.mean, imagenet.std));
    default:
      return undefined;
  }
}

const orderOf = (rest: string): number[] => rest.replace('order', '').split('').map(Number);

function boxOf(name: string | undefined, boxes: readonly CropBox[]): CropBox {
  const box = boxes[Number(name?.replace('box', ''))];
  if (!box) throw new DataError(`golden: the crop ${name} is not listed.`);
  return box;
}

/** [H, W, 3] → [3, H, W] */
function turned({ data, shape }: NdArray): NdArray {
  const [rows = 0, columns = 0] = shape;
  const plane = rows * columns;
  return { data: data.map((_, i) => data[(i % plane) * 3 + Math.floor(i / plane)]!), shape: [3, rows, columns] };
}

const planar = ({ width, height, data }: RgbImage, bound: 1 | 255): Planar => ({
  ...turned({ data: Float32Array.from(data, (v) => (bound === 1 ? v / 255 : v)), shape: [height, width, 3] }),
  bound,
});

const imageOps: GoldenTarget = {
  run(golden, tools) {
    const stored = tools.stored('image_hwc_u8');
    if (!stored) throw new DataError(`golden ${golden.name}: the image is not stored`);
    const [height = 0, width = 0] = stored.shape;
    const image: RgbImage = { width, height, data: Uint8Array.from(stored.data) };
    const boxes = (golden['crop_boxes_top_left_height_width'] ?? []) as number[][]; // read one by one below
    const outputs: Record<string, NdArray<TypedArray>> = { image_hwc_u8: { data: image.data, shape: stored.shape } };
    for (const name of Object.keys(golden.outputs as object)) {
      const [backEnd, operator = '', ...parts] = name.split('.');
      const one: Case = {
        name,
        operator,
        rest: parts.join('.'),
        parts,
        boxes: boxes.map(([top = 0, left = 0, h = 0, w = 0]) => ({ top, left, height: h, width: w })),
      };
      const value =
        backEnd === 'pil' ? pillow(image, one) : tensor(planar(image, backEnd === 'tensor_u8' ? 255 : 1), image, one);
      if (value === undefined) continue;
      outputs[name] = 'shape' in value ? value : { data: value.data, shape: [value.height, value.width, 3] };
    }
    return outputs;
  },
};

export const imageOpGoldens: GoldenTargets = { 'image-ops*': imageOps };
