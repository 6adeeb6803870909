import { buildResnet } from '@unlabel/backbones';
import { createRng, type ImageEmbedder, type ModelConfig } from '@unlabel/core';
import { testEngine } from '@unlabel/engine';
import { imageEmbedder } from '@unlabel/zoo';
import { beforeAll, expect, test } from 'vitest';
import { colorStats } from '../models/image-baselines.ts';
import { validateImageEmbedder } from './validate-images.ts';

beforeAll(() => testEngine());

const shape = { depth: 18, blocks: [1, 1, 1, 1], widths: [4, 4, 8, 12] };
const image = { size: 32, resize: 36, interpolation: 'bilinear', mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] } as const;
const config: ModelConfig = {
  schema: 1,
  method: 'test',
  methodConfig: {},
  backbone: { id: 'resnet', config: shape },
  input: { modality: 'image', image },
  normalization: null,
  training: { seed: 0, steps: 0, items: 0, sawUnlabelled: [] },
};
const network = (): ImageEmbedder =>
  imageEmbedder({ id: 'm', backbone: buildResnet(shape, createRng(1)), config, fingerprint: '', source: 'test' });

test('a network and the colours pass every check', async () => {
  for (const embedder of [network(), colorStats]) {
    const findings = await validateImageEmbedder(embedder);
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(new Set(findings.map(({ check }) => check)).size).toBe(8);
  }
});

const width = 3;
const broken = (embedImages: ImageEmbedder['embedImages']): ImageEmbedder => ({ ...colorStats, embeddingSize: width, embedImages }); // prettier-ignore
const ramp = (rows: number): Float32Array => Float32Array.from({ length: rows * width }, (_, i) => i);
let calls = 0;
test.each([
  ['a row too few', broken((images) => Promise.resolve(ramp(images.length - 1))), 'error', /expected 6 x 3 values/],
  ['no number', broken((images) => Promise.resolve(ramp(images.length).fill(NaN, 4, 5))), 'error', /image 1 has NaN at 1/],
  ['doubles', broken((images) => Promise.resolve(Float64Array.from(ramp(images.length)) as never)), 'error', /expected float32/],
  ['one vector for all', broken((images) => Promise.resolve(ramp(images.length).fill(1))), 'error', /two different images/],
  ['never the same', broken((images) => Promise.resolve(ramp(images.length).fill(++calls, 0, 1))), 'warning', /not repeat exactly/],
  ['rows that lean on others', broken((images) => Promise.resolve(ramp(images.length).fill(images.length))), 'warning', /batch size matters/],
  ['one that refuses a pixel', broken((images) => images.some((one) => one.width === 1) ? Promise.reject(new Error('too small')) : Promise.resolve(ramp(images.length))), 'error', /too small/],
] as const)('%s is found', async (_name, embedder, level, text) => {
  const findings = await validateImageEmbedder(embedder);
  expect(findings.some((one) => one.level === level && text.test(one.detail))).toBe(true);
}); // prettier-ignore
