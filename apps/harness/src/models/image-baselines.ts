/** Models without training that boards of images need beside the trained ones. */
import type { ImageEmbedder, ImageInput, ModelConfig, Pixels } from '@unlabel/core';
import { createRng } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import type { NetworkOptions } from '@unlabel/zoo';

/** Versioned by hand: raised when the numbers change, so that old embeddings are not reused. */
const revision = 'v1';
const bins = 4;
/** Parts of an image along a side, whose mean colours are taken. */
const cells = 4;
const width = bins ** 3 + 6 + 3 * cells ** 2;

export const imageBaselineIds = ['color-stats'] as const;
export type ImageBaselineId = (typeof imageBaselineIds)[number];
export const isImageBaseline = (id: string): id is ImageBaselineId =>
  (imageBaselineIds as readonly string[]).includes(id);

/**
 * What colours an image has and roughly where: a histogram of 4 × 4 × 4 colours, mean and deviation of each channel, and the mean
 * colours of 4 × 4 parts, of the whole image as stored, whatever the crop.
 */
export const colorStats: ImageEmbedder = {
  id: 'color-stats',
  method: 'color-stats',
  fingerprint: `color-stats-${revision}`,
  embeddingSize: width,
  params: 0,
  source: 'built in',
  embedImages(images) {
    const out = new Float32Array(images.length * width);
    images.forEach((image, i) => out.set(statisticsOf(image), i * width));
    return Promise.resolve(out);
  },
};

function statisticsOf({ width: columns, height: rows, data }: Pixels): Float64Array {
  const histogram = new Float64Array(bins ** 3);
  const [sums, squares] = [new Float64Array(3), new Float64Array(3)];
  const parts = new Float64Array(3 * cells ** 2);
  const sizes = new Float64Array(cells ** 2);
  for (let y = 0, at = 0; y < rows; y++) {
    const row = Math.floor((y * cells) / rows) * cells;
    for (let x = 0; x < columns; x++, at += 3) {
      const cell = row + Math.floor((x * cells) / columns);
      let color = 0;
      for (let c = 0; c < 3; c++) {
        const value = data[at + c]!;
        color = color * bins + Math.floor((value * bins) / 256);
        sums[c]! += value / 255;
        squares[c]! += (value / 255) ** 2;
        parts[3 * cell + c]! += value / 255;
      }
      histogram[color]!++;
      sizes[cell]!++;
    }
  }
  const n = rows * columns;
  const mean = sums.map((sum) => sum / n);
  return Float64Array.of(
    ...histogram.map((count) => count / n),
    ...mean,
    ...squares.map((sum, c) => Math.sqrt(Math.max(0, sum / n - mean[c]! ** 2))),
    ...parts.map((sum, i) => sum / Math.max(1, sizes[Math.floor(i / 3)]!)),
  );
}

const imageNet: ImageInput = {
  size: 224,
  resize: 256,
  interpolation: 'bilinear',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** `random:resnet18`: networks of the image families as they start. */
export const randomBackbones: Readonly<Record<string, ModelConfig['backbone']>> = {
  resnet18: { id: 'resnet', config: { depth: 18 } },
  resnet50: { id: 'resnet', config: { depth: 50 } },
  'vit-tiny': { id: 'vit', config: { size: 'tiny' } },
  'vit-small': { id: 'vit', config: { size: 'small' } },
};

/** Its config without weights; the seed says which they are. */
export function randomBackboneConfig(name: string, seed: number): ModelConfig {
  return {
    schema: 1,
    method: 'random',
    methodConfig: {},
    backbone: randomBackbones[name]!,
    input: { modality: 'image', image: imageNet },
    normalization: null,
    training: { seed, steps: 0, items: 0, sawUnlabelled: [] },
  };
}

/** `v1` counts changes of the initialisation's draws. */
export const randomBackboneFingerprint = (config: ModelConfig): string =>
  sha256(JSON.stringify({ config, initialization: 'v1' }));

export async function randomBackboneNetwork(id: string, name: string, seed: number): Promise<NetworkOptions> {
  const { backboneFamilies } = await import('@unlabel/backbones');
  const config = randomBackboneConfig(name, seed);
  return {
    id,
    backbone: backboneFamilies[config.backbone.id]!.build(config.backbone.config, createRng(seed).fork('model')),
    config,
    fingerprint: randomBackboneFingerprint(config),
    source: `random:${name} seed ${seed}`,
  };
}
