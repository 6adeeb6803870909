/** `MODEL#res4`: a stage of a network of images in place of its embedding. */
import { beforeAll, expect, test } from 'vitest';
import { testEngine } from '@unlabel/engine';
import { checkDetects } from '../evaluate/detect-job.ts';
import { describeModel } from './describe.ts';
import { openImageModel, openModel, parseModel } from './resolve.ts';

beforeAll(() => testEngine());

test('is a model of its own, as wide as the stage’s windows', async () => {
  const [whole, tapped] = ['random:moco@smoke', 'random:moco@smoke#res4'].map((text) => parseModel(text, 0));
  const [a, b] = [await describeModel(whole!), await describeModel(tapped!)];
  expect([a.id, b.id, b.method, b.params]).toEqual(['moco-random', 'moco-random#res4', 'moco', a.params]);
  expect(b.fingerprint).not.toBe(a.fingerprint);
  const embedder = await openImageModel(tapped!);
  // images of 16 pixels, the small stem: 4 × 4 places of 16 channels in 3 × 3 windows
  expect([embedder.id, embedder.embeddingSize]).toEqual(['moco-random#res4', 16 * 9]);
  const image = { width: 20, height: 16, data: Uint8Array.from({ length: 20 * 16 * 3 }, (_, i) => (i * 7919) % 256) };
  const rows = await embedder.embedImages([image, image], 'stretch');
  expect(rows.length).toBe(2 * 144);
  expect(rows.slice(144)).toEqual(rows.slice(0, 144));
  expect(rows.some((value) => value > 0)).toBe(true);
  embedder.dispose!();
});

test('is refused where it says nothing', async () => {
  expect(() => parseModel('color-stats#res4', 0)).toThrow('color-stats#res4: expected a network of ours before #res4');
  const described = await describeModel(parseModel('random:moco@smoke#res2', 0));
  expect(() => checkDetects(described, 'detect/v1')).toThrow(
    'detect/v1 takes the maps of all stages; leave #res2 away',
  );
  await expect(openModel(parseModel('random:delores-s#conv1', 0))).rejects.toThrow('on images, not on sounds');
});
