import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type Tensor } from '@unlabel/core';
import { countParams, expectAllClose, expectNoLeak, testEngine, tf, trainableOf } from '@unlabel/engine';
import { pooledShortcut } from './mt-slvr-adapters.ts';
import { adapterKinds, buildMtSlvrResnet } from './mt-slvr-resnet.ts';

beforeAll(() => testEngine());

const rng = createRng(1);
const small = (adapter: (typeof adapterKinds)[number]) =>
  buildMtSlvrResnet({ adapter, tasks: adapter === 'none' ? 1 : 2, outputs: 6, width: 4, layers: [1, 1, 1, 1] }, rng);
const input = (rows = 4): Tensor => tf.tensor(goldenTensor('input:x', 1, [rows, 3 * 40, 21], 1).data, [rows, 120, 21]);
const pair = (name: string, found: ReturnType<typeof small>): number[] => [...found.params.get(name)!.dataSync()];

test.each([
  ['none', 11_689_512, 122],
  ['split', 11_689_512, 124],
  ['bn', 11_524_904, 176],
  ['series', 14_308_648, 344],
  ['parallel', 13_949_736, 204],
] as const)('%s has the published number of parameters and state entries', (adapter, values, entries) => {
  const isOne = adapter === 'none';
  const backbone = buildMtSlvrResnet({ adapter, tasks: isOne ? 1 : 2, outputs: isOne ? 1000 : 500 }, rng);
  expect(countParams(trainableOf(backbone.params))).toBe(values);
  const norms = [...backbone.params.keys()].filter((name) => name.endsWith('running_mean')).length; // torch counts their batches too
  expect(backbone.params.size + norms).toBe(entries);
  tf.dispose([...backbone.params.values()]);
});

describe.each(adapterKinds)('%s', (adapter) => {
  test('gives each task’s output side by side, from stacked channels and from images alike, and leaves nothing behind', async () => {
    const backbone = small(adapter);
    const x = input();
    const both = backbone.forward(x, { training: false });
    expect(both.clip.shape).toEqual([4, backbone.width]);
    expect(Object.keys(both.branches)).toEqual(adapter === 'none' ? ['0'] : ['0', '1']);
    const image = tf.transpose(tf.reshape(x, [4, 3, 40, 21]), [0, 2, 3, 1]);
    expectAllClose(backbone.forward(image, { training: false }).clip, both.clip, { atol: 1e-6 });
    if (adapter !== 'none') {
      const one = backbone.forward(x, { training: false, tasks: [1] }).clip;
      expectAllClose(one, tf.slice(both.clip, [0, 6], [4, 6]), { atol: 1e-6 });
    }
    await expectNoLeak(() => tf.tidy(() => void backbone.forward(x, { training: true, groups: 2 })));
  });
});

test('a task alone moves its own statistics and the shared ones, not the other’s', () => {
  const backbone = small('parallel');
  const [mine, other, shared] = [1, 0, 0]
    .map((t, i) => (i < 2 ? `layer2.0.conv1.bns.${t}` : `layer1.0.conv1.bns.${t}`))
    .map((name) => `${name}.running_mean`) as [string, string, string];
  const before = [mine, other, shared].map((name) => pair(name, backbone));
  tf.tidy(() => void backbone.forward(input(), { training: true, tasks: [1] }));
  const after = [mine, other, shared].map((name) => pair(name, backbone));
  expect(after[0]).not.toEqual(before[0]);
  expect(after[1]).toEqual(before[1]);
  expect(after[2]).not.toEqual(before[2]);
});

test('both tasks in one pass are what a pass for each gives, running statistics of the shared part included', () => {
  const [together, apart] = [small('series'), small('series')];
  const x = input();
  const both = together.forward(x, { training: true, groups: 2 });
  for (const t of [0, 1]) {
    const one = apart.forward(x, { training: true, groups: 2, tasks: [t] });
    expectAllClose(one.clip, both.branches[String(t)]!, { atol: 1e-5 });
  }
  for (const [name, value] of together.params) {
    expectAllClose(value, apart.params.get(name)!, { atol: 1e-6, rtol: 1e-5 });
  }
});

test.each([
  [8, 6, 2],
  [7, 5, 3],
  [1, 9, 1],
])('pooled shortcuts of %i × %i are torch’s adaptive averages, new channels 0', (height, width, channels) => {
  const { data } = goldenTensor('input:p', 2, [2, height, width, channels]);
  const found = pooledShortcut(tf.tensor(data, [2, height, width, channels]), channels + 2);
  const [h, w] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  expect(found.shape).toEqual([2, h, w, channels + 2]);
  const values = found.dataSync();
  const bin = (i: number, from: number, to: number): number[] => {
    const [start, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
    return Array.from({ length: end - start }, (_, k) => start + k);
  };
  for (let b = 0; b < 2; b++) {
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < w; j++) {
        for (let c = 0; c < channels + 2; c++) {
          const cells = bin(i, height, h).flatMap((y) =>
            bin(j, width, w).map((z) => data[((b * height + y) * width + z) * channels + c]!),
          );
          const expected = c < channels ? cells.reduce((x, y) => x + y, 0) / cells.length : 0;
          expect(values[((b * h + i) * w + j) * (channels + 2) + c]).toBeCloseTo(expected, 5);
        }
      }
    }
  }
});

test('refuses inputs that are not three channels, and several tasks without adapters', () => {
  expect(() => small('bn').forward(tf.zeros([1, 40, 21]), { training: false })).toThrow(
    /\[1, 40, 21\]; expected \[rows, 3 · bands/,
  );
  expect(() => buildMtSlvrResnet({ adapter: 'none' }, rng)).toThrow(/tasks 2, set it to 1/);
});
