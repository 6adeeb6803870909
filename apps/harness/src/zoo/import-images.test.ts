/** Networks of images in torchvision's and DINO's names, imported and embedding images as they did where they came from. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildResnet, buildVit } from '@unlabel/backbones';
import { createRng, type Backbone, type ImageInput } from '@unlabel/core';
import { disposeParams, testEngine, tf, toArrays } from '@unlabel/engine';
import { prepareImage } from '@unlabel/image';
import { imageEmbedder, loadModelDir } from '@unlabel/zoo';
import { writeWeights } from '@unlabel/zoo/files';
import { beforeAll, expect, test } from 'vitest';
import { describeModel } from '../models/describe.ts';
import { importFile } from './import.ts';

beforeAll(() => testEngine());

const input: ImageInput = {
  size: 224,
  resize: 256,
  interpolation: 'bilinear',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const rng = createRng(4);
const photos = [[40, 50], [64, 33], [30, 30]].map(([width, height]) => ({
  width: width!,
  height: height!,
  data: Uint8Array.from({ length: width! * height! * 3 }, () => rng.int(256)),
})); // prettier-ignore

async function importedFrom(backbone: Backbone): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'import-images-'));
  await writeWeights(work, await toArrays(backbone.params));
  const out = join(work, 'model');
  const file = join(work, 'model.safetensors');
  const options = { out, strict: true, dtype: 'float32', licence: 'MIT' } as const;
  expect((await importFile(file, options)).isUsable).toBe(true);
  return out;
}

test.each([
  ['a ResNet of basic blocks', () => buildResnet({ depth: 18, blocks: [1, 1, 1, 1], widths: [4, 8, 16, 32] }, createRng(1)), 'bilinear'],
  ['a small vision transformer', () => buildVit({ width: 32, heads: 2, depth: 2, patchSize: 16, imageSize: 64 }, createRng(2)), 'bicubic'],
] as const)('%s', async (_name, build, interpolation) => {
  const own: Backbone = build();
  const dir = await importedFrom(own);
  const loaded = await loadModelDir(dir);
  expect(loaded.config.input['image']).toEqual({ ...input, interpolation });
  const embedder = imageEmbedder({ ...loaded, id: 'imported', source: dir });
  const rows = await embedder.embedImages(photos, 'center');
  const expected = tf.tidy(() => {
    const batch = photos.map((photo) => tf.tensor3d(prepareImage(photo, { ...input, interpolation }, 'center'), [224, 224, 3]));
    return own.forward(tf.stack(batch) as never, { training: false }).clip.dataSync();
  });
  const scale = Math.max(...expected.map(Math.abs));
  rows.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-5 * scale));
  const [alone] = [await embedder.embedImages(photos.slice(1, 2), 'center')];
  alone.forEach((value, i) => expect(Math.abs(value - rows[own.width + i]!)).toBeLessThanOrEqual(1e-5 * scale));
  expect(await embedder.embedImages(photos.slice(0, 1), 'stretch')).not.toEqual(rows.slice(0, own.width));
  expect(await describeModel({ kind: 'directory', id: 'x', dir, source: dir })).toMatchObject({ modality: 'image', sampleRate: 0 });
  embedder.dispose!();
  disposeParams(own.params);
}); // prettier-ignore
