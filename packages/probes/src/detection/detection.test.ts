import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createRng, type Scalar, type Tensor } from '@unlabel/core';
import {
  assignArrays,
  expectAllClose,
  gradientToArray,
  testEngine,
  tf,
  trainableOf,
  valueAndGrads,
} from '@unlabel/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { assignBoxes, placesOf, targetsOf, type Places } from './assign.ts';
import { detectionConfigSchema } from './config.ts';
import { decodeDetections } from './decode.ts';
import { detectionLosses } from './loss.ts';
import { levelMaps, planLevels, repeatPlaces } from './maps.ts';
import { detectionNetwork } from './network.ts';

interface Fixture {
  size: number;
  strides: number[];
  classes: number;
  range: { lower: number; upper: number };
  boxes: number[];
  labels: number[];
  assigned: number[];
  logits: number[];
  distances: number[];
  centerness: number[];
  losses: { classification: number; bbox_regression: number; bbox_ctrness: number };
  gradients: { logits: number[]; distances: number[]; centerness: number[] };
  detections: {
    candidates: number;
    detections: number;
    width: number;
    height: number;
    boxes: number[];
    scores: number[];
    labels: number[];
  }[];
  network: {
    widths: number[];
    channels: number;
    sides: number[];
    means: number[][];
    inverses: number[][];
    maps: number[][];
    params: Record<string, { shape: number[]; data: number[] }>;
    outputs: { classes: number[]; distances: number[]; centerness: number[] };
    gradients: Record<string, number>;
    gradientNorms: Record<string, number>;
  };
}
const path = fileURLToPath(new URL('../../fixtures/detection-probe.json', import.meta.url));
const torch = JSON.parse(readFileSync(path, 'utf8')) as Fixture;
const { classes } = torch;
const places = placesOf({ imageSize: torch.size, strides: torch.strides, range: torch.range });
const image = { boxes: torch.boxes, classes: torch.labels };
const config = detectionConfigSchema.parse({ strides: torch.strides, channels: 16, convolutions: 1 });

beforeAll(() => testEngine());

/** The rule of assignment place by place, as §3.1 states it. */
function literal({ x, y, stride, low, high }: Places, boxes: readonly number[], radius: number, i: number): number {
  let best = -1;
  const area = (m: number): number => (boxes[4 * m + 2]! - boxes[4 * m]!) * (boxes[4 * m + 3]! - boxes[4 * m + 1]!);
  for (let m = 0; m < boxes.length / 4; m++) {
    const [x1, y1, x2, y2] = boxes.slice(4 * m, 4 * m + 4) as [number, number, number, number];
    const [l, t, r, b] = [x[i]! - x1, y[i]! - y1, x2 - x[i]!, y2 - y[i]!];
    const isInside = l > 0 && t > 0 && r > 0 && b > 0;
    const isNear =
      Math.abs(x[i]! - (x1 + x2) / 2) < radius * stride[i]! && Math.abs(y[i]! - (y1 + y2) / 2) < radius * stride[i]!;
    const farthest = Math.max(l, t, r, b);
    if (isInside && isNear && farthest > low[i]! && farthest < high[i]! && (best < 0 || area(m) < area(best))) best = m;
  }
  return best;
}

describe('assignment', () => {
  test('is torchvision’s, of boxes in each other, of all sizes and of equal area', () => {
    const assigned = assignBoxes(places, torch.boxes, 1.5);
    expect([...assigned]).toEqual(torch.assigned);
    expect(new Set(torch.assigned).size).toBeGreaterThan(6);
  });

  test('is that of the rule place by place, whatever the boxes', () => {
    const rng = createRng(3);
    const own = placesOf({ imageSize: 96, strides: [8, 16, 32], range: { lower: 2, upper: 4 } });
    for (let round = 0; round < 20; round++) {
      const boxes = Array.from({ length: 6 }, () => {
        const [x, y] = [rng.range(-5, 90), rng.range(-5, 90)];
        return [x, y, x + rng.range(1, 60), y + rng.range(1, 60)];
      }).flat();
      const expected = Array.from({ length: own.count }, (_, i) => literal(own, boxes, 1.5, i));
      expect([...assignBoxes(own, boxes, 1.5)]).toEqual(expected);
    }
  });

  test('an image without boxes is all background', () => {
    const { objects, isObject, classes: oneHot } = targetsOf(places, [{ boxes: [], classes: [] }], 3, 1.5);
    expect([objects, isObject.includes(1), oneHot.includes(1)]).toEqual([0, false, false]);
    expect(() => assignBoxes(places, [1, 2, 3], 1.5)).toThrow('3 corners');
  });
});

test('the three losses and their gradients are torchvision’s', () => {
  const targets = targetsOf(places, [image, { boxes: [], classes: [] }], classes, 1.5);
  const rows = 2 * places.count;
  const centers = Array.from({ length: rows }, (_, i) => {
    const [x, y] = [places.x[i % places.count]!, places.y[i % places.count]!];
    return [x, y, x, y];
  }).flat();
  const tensors = {
    classes: tf.tensor(targets.classes, [rows, classes]),
    boxes: tf.tensor(targets.boxes, [rows, 4]),
    centerness: tf.tensor(targets.centerness),
    isObject: tf.tensor(targets.isObject),
    centers: tf.tensor(centers, [rows, 4]),
    objects: targets.objects,
  };
  const inputs = [
    tf.tensor(torch.logits, [rows, classes]),
    tf.tensor(torch.distances, [rows, 4]),
    tf.tensor(torch.centerness),
  ];
  const lossesOf = (of: Tensor[]) =>
    detectionLosses({ classes: of[0]!, distances: of[1]!, centerness: of[2]! }, tensors, config);
  const parts = lossesOf(inputs);
  const { classification, bbox_regression, bbox_ctrness } = torch.losses;
  // float32 sums over a thousand places
  expectAllClose(parts.classes, classification, { rtol: 1e-5 });
  expectAllClose(parts.boxes, bbox_regression, { rtol: 1e-5 });
  expectAllClose(parts.centerness, bbox_ctrness, { rtol: 1e-5 });
  const gradients = tf.grads((...of: Tensor[]) => {
    const { classes: a, boxes: b, centerness: c } = lossesOf(of);
    return tf.addN([a, b, c]);
  })(inputs);
  const everySeventh = (t: Tensor): number[] => {
    const [all, width] = [t.dataSync(), t.size / rows];
    const kept = [0, 1].flatMap((of) =>
      Array.from({ length: Math.ceil(places.count / 7) }, (_, i) => of * places.count + 7 * i),
    );
    return kept.flatMap((row) => Array.from({ length: width }, (_, i) => all[row * width + i]!));
  };
  expectAllClose(everySeventh(gradients[0]!), torch.gradients.logits, { atol: 1e-7, rtol: 1e-4 });
  expectAllClose(everySeventh(gradients[1]!), torch.gradients.distances, { atol: 1e-7, rtol: 1e-4 });
  expectAllClose(everySeventh(gradients[2]!), torch.gradients.centerness, { atol: 1e-7, rtol: 1e-4 });
});

test.each(torch.detections)('$detections of $candidates candidates are decoded as torchvision does', (expected) => {
  const { width, height, candidates, detections } = expected;
  const first = { logits: places.count * classes, distances: places.count * 4, centerness: places.count };
  const output = {
    logits: torch.logits.slice(0, first.logits),
    distances: torch.distances.slice(0, first.distances),
    centerness: torch.centerness.slice(0, first.centerness),
  };
  const found = decodeDetections(output, places, { width, height }, { ...config, candidates, detections });
  expect(found).toHaveLength(Math.min(detections, expected.scores.length));
  expect(found.map(({ label }) => label)).toEqual(expected.labels);
  expectAllClose(found.map(({ score }) => score), expected.scores, { atol: 1e-8 }); // prettier-ignore
  expectAllClose(found.flatMap(({ box }) => [...box]), expected.boxes, { atol: 1e-5 }); // prettier-ignore
});

test('pyramid and head are those of torchvision’s layers, values and gradients', async () => {
  const { network: of } = torch;
  const scales = of.means.map((mean, i) => ({
    mean: Float32Array.from(mean),
    inverse: Float32Array.from(of.inverses[i]!),
  }));
  const network = detectionNetwork(scales, classes, config, createRng(1));
  const arrays = Object.fromEntries(
    Object.entries(of.params).map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]),
  );
  const trainable = trainableOf(network.params);
  expect([...trainable.keys()].sort()).toEqual(Object.keys(of.params).sort());
  assignArrays(trainable, arrays);
  const maps = of.maps.map((values, i) => tf.tensor(values, [2, of.sides[i]!, of.sides[i]!, of.widths[i]!]));
  const found = network.forward(maps);
  expectAllClose(found.classes.dataSync(), of.outputs.classes, { atol: 1e-5, rtol: 1e-5 });
  expectAllClose(found.distances.dataSync(), of.outputs.distances, { atol: 1e-5, rtol: 1e-5 });
  expectAllClose(found.centerness.dataSync(), of.outputs.centerness, { atol: 1e-5, rtol: 1e-5 });
  const { grads } = valueAndGrads(network.params, () => {
    const { classes: a, distances, centerness } = network.forward(maps);
    const loss = tf.addN([tf.sum(tf.square(a)), tf.sum(distances), tf.sum(tf.square(centerness))]);
    return { loss: loss as Scalar, logs: {} };
  });
  for (const [name, variable] of trainable) {
    const { data } = await gradientToArray(grads.get(name)!, variable);
    const step = data.length === 1 ? 0 : 1 / (data.length - 1);
    const sum = data.reduce((total, value, i) => total + value * (1 + i * step), 0);
    // the sums cancel: their error is that of the gradient's norm
    expect(Math.abs(sum - of.gradients[name]!) / of.gradientNorms[name]!, name).toBeLessThan(2e-4);
  }
});

describe('levels', () => {
  const shapes = (sides: Record<string, number>): Map<string, number[]> =>
    new Map(Object.entries(sides).map(([name, side]) => [name, [1, side, side, 4]]));

  test('take the deepest map of their stride; means or repeated places where there is none', () => {
    expect(planLevels('x', shapes({ stem: 16, layer1: 16, layer2: 8, layer3: 4, layer4: 2 }), 64, [8, 16, 32])).toEqual(
      [{ map: 'layer2', shrink: 1 }, { map: 'layer3', shrink: 1 }, { map: 'layer4', shrink: 1 }], // prettier-ignore
    );
    expect(planLevels('x', shapes({ a: 64, b: 32, c: 16 }), 64, [8, 16])).toEqual([
      { map: 'c', shrink: 2 },
      { map: 'c', shrink: 4 },
    ]);
    expect(planLevels('x', shapes({ patches: 4 }), 64, [8, 16, 32]).map(({ shrink }) => shrink)).toEqual([0.5, 1, 2]);
    expect(() => planLevels('x', new Map(), 64, [8])).toThrow('x: gives no maps of an image');
    expect(() => planLevels('x', shapes({ patches: 5 }), 64, [8])).toThrow('have strides 12.8');
  });

  test('repeat places as nearest neighbours, and average them', () => {
    const x = tf.tensor([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]);
    expect([...repeatPlaces(x, 2).dataSync()]).toEqual([1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6, 7, 8, 7, 8, 5, 6, 5, 6, 7, 8, 7, 8]); // prettier-ignore
    expect([...levelMaps({ x }, [{ map: 'x', shrink: 2 }])[0]!.dataSync()]).toEqual([4, 5]);
  });
});
