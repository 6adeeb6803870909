/** Squares and bars on grey: a tiny network's maps are enough to find them. */
import { buildResnet } from '@unlabel/backbones';
import { createRng, type Backbone } from '@unlabel/core';
import { disposeParams, testEngine, tf, toArrays } from '@unlabel/engine';
import { beforeAll, expect, test } from 'vitest';
import { detectionConfigSchema } from './config.ts';
import { mirrored } from './images.ts';
import { fitDetector, type DetectorInput, type LabelledImage } from './train.ts';

beforeAll(() => testEngine());

const size = 64;
const config = detectionConfigSchema.parse({
  imageSize: size,
  strides: [8, 16],
  channels: 16,
  convolutions: 1,
  steps: 40,
  warmupSteps: 5,
  learningRate: 0.01,
  batchSize: 4,
  standardizeOn: 4,
});

/** One or two shapes: class 0 is red and square, class 1 blue and wide. */
function picture(seed: number): LabelledImage {
  const rng = createRng(seed);
  const data = new Float32Array(size * size * 3);
  const [boxes, labels]: [number[], number[]] = [[], []];
  for (let i = 0; i < 1 + rng.int(2); i++) {
    const label = rng.int(2);
    const [w, h] = label === 0 ? [18, 18] : [26, 12];
    const [x, y] = [i * 30 + rng.int(32 - Math.min(w, 30)), rng.int(60 - h)];
    for (let row = y; row < y + h; row++)
      for (let column = x; column < x + w && column < size; column++)
        data[3 * (row * size + column) + (label === 0 ? 0 : 2)] = 2;
    // in pixels of a file that is twice as large
    boxes.push(2 * x, 2 * y, 2 * Math.min(x + w, size), 2 * (y + h));
    labels.push(label);
  }
  const prepared = { data, width: size, height: size, scaleX: 0.5, scaleY: 0.5 };
  return { file: `${seed}`, boxes, labels, load: () => Promise.resolve(prepared) };
}
const [train, held] = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(picture), [101, 102, 103, 104].map(picture)];

const network = (): Backbone => buildResnet({ depth: 18, blocks: [1, 1, 1, 1], widths: [8, 8, 16, 16] }, createRng(7));
const input = (backbone: Backbone, change: Partial<DetectorInput> = {}): DetectorInput => ({
  id: 'tiny',
  backbone,
  images: train,
  classes: 2,
  config,
  rng: createRng(1),
  memory: 1e9,
  ...change,
});

const iou = (a: readonly number[], b: readonly number[]): number => {
  const shared = [0, 1].map((i) => Math.max(0, Math.min(a[i + 2]!, b[i + 2]!) - Math.max(a[i]!, b[i]!)));
  const area = (box: readonly number[]): number => (box[2]! - box[0]!) * (box[3]! - box[1]!);
  const overlap = shared[0]! * shared[1]!;
  return overlap / (area(a) + area(b) - overlap);
};

test('finds what it has not seen, in pixels of the file', async () => {
  const backbone = network();
  const before = await toArrays(backbone.params);
  const detector = await fitDetector(input(backbone));
  expect(detector.losses.at(-1)).toBeLessThan(detector.losses[0]! / 2);
  const found = await detector.detect(held);
  let hits = 0;
  held.forEach(({ boxes, labels }, i) => {
    labels.forEach((label, m) => {
      const own = found[i]!.slice(0, labels.length).filter((one) => one.label === label);
      if (own.some(({ box }) => iou(box, boxes.slice(4 * m, 4 * m + 4)) > 0.5)) hits++;
    });
  });
  const objects = held.reduce((sum, { labels }) => sum + labels.length, 0);
  expect(hits / objects).toBeGreaterThan(0.7);
  expect(await toArrays(backbone.params)).toEqual(before); // it is frozen
  detector.dispose();
  disposeParams(backbone.params);
});

test('the same seed gives the same bits, whatever the memory; another seed others', async () => {
  const backbone = network();
  const short = { ...config, steps: 4 };
  const run = async (change: Partial<DetectorInput>) => {
    const detector = await fitDetector(input(backbone, { config: short, ...change }));
    const boxes = await detector.detect(held.slice(0, 1));
    detector.dispose();
    return { losses: detector.losses, boxes };
  };
  const whole = await run({});
  expect(await run({ memory: 0 })).toEqual(whole);
  expect((await run({ rng: createRng(2) })).losses).not.toEqual(whole.losses);
  disposeParams(backbone.params);
});

test('fine-tuning moves the network and leaves its running statistics', async () => {
  const backbone = network();
  const before = await toArrays(backbone.params);
  const detector = await fitDetector(input(backbone, { config: { ...config, steps: 2, backboneRate: 0.1 } }));
  const after = await toArrays(backbone.params);
  for (const name of Object.keys(before)) {
    if (name.includes('running_')) expect(after[name], name).toEqual(before[name]);
  }
  expect(after['layer1.0.conv1.weight']).not.toEqual(before['layer1.0.conv1.weight']);
  detector.dispose();
  disposeParams(backbone.params);
});

test('leaves nothing behind, and names what it cannot learn from', async () => {
  const backbone = network();
  const short = { ...config, steps: 2 };
  const tensors = tf.memory().numTensors;
  const detector = await fitDetector(input(backbone, { config: short }));
  await detector.detect(held.slice(0, 1));
  detector.dispose();
  expect(tf.memory().numTensors).toBe(tensors);
  const empty = train.map((one) => ({ ...one, boxes: [], labels: [] }));
  await expect(fitDetector(input(backbone, { images: empty }))).rejects.toThrow('none of 12 training images has a box');
  const blind: Backbone = { ...backbone, forward: (x, o) => ({ clip: backbone.forward(x, o).clip }) };
  await expect(fitDetector(input(blind))).rejects.toThrow('tiny: gives no maps of an image');
  disposeParams(backbone.params);
});

test('a mirrored image is mirrored in its place', () => {
  const data = Float32Array.from({ length: 12 }, (_, i) => (i < 9 ? i : 0));
  const narrow = { data: data.map((v, i) => (i % 6 < 3 ? v : 0)), width: 1, height: 2, scaleX: 1, scaleY: 1 };
  expect(mirrored(narrow).data).toEqual(narrow.data);
  const wide = { ...narrow, data: Float32Array.of(1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0), width: 2, height: 1 };
  expect([...mirrored(wide).data]).toEqual([4, 5, 6, 1, 2, 3, 0, 0, 0, 0, 0, 0]);
});
