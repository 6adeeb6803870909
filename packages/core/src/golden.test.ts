import { expect, test } from 'vitest';
import { goldenAudio, goldenHash, goldenParameter, goldenTensor, goldenUniform } from './golden.ts';

test('the hash rule has its check values', () => {
  expect([0, 1, 2, 3].map((i) => goldenHash('a', 0, i))).toEqual([444641715, 2081086145, 3503373935, 3701431882]);
  const r = goldenUniform('layer.weight', 1234, 3);
  [0.66092098, -0.14009166, 0.19818382].forEach((value, i) => expect(r[i]).toBeCloseTo(value, 8));
});

test('a parameter of rank 2 is scaled by its fan-in', () => {
  const { data } = goldenParameter('layer.weight', 1234, [2, 3]);
  [0.660921, -0.14009166, 0.19818382, -0.58651775, 0.9344242, 0.73477757].forEach((value, i) =>
    expect(data[i]).toBeCloseTo(value, 6),
  );
});

test('the table of parameters is read from the top, by the leaf of the name', () => {
  const first = (key: string, shape: number[]): number => goldenParameter(key, 9, shape).data[0]!;
  const r = (key: string): number => goldenUniform(key, 9, 1)[0]!;
  const near = (key: string, shape: number[], expected: number): void =>
    expect(first(key, shape)).toBeCloseTo(expected, 6);
  near('bn.num_batches_tracked', [], 0);
  near('bn.running_var', [4], 1 + 0.5 * Math.abs(r('bn.running_var')));
  near('conv.weight_g', [1, 1, 4], 1 + 0.1 * r('conv.weight_g'));
  near('pos_embed', [1, 4, 8], 0.1 * r('pos_embed'));
  near('tokenizer.proj.weight', [4, 12], r('tokenizer.proj.weight') * Math.sqrt(3 / 12));
  near('bn.weight', [4], 1 + 0.1 * r('bn.weight'));
  near('bn.bias', [4], 0.1 * r('bn.bias'));
});

test('inputs follow their rule', () => {
  expect(goldenTensor('input:x', 3, [4], 2.5).data[1]).toBe(Math.fround(2.5 * goldenUniform('input:x', 3, 2)[1]!));
  const noise = goldenUniform('input:clip:1', 3, 10);
  const n = 4;
  const tone =
    0.4 * Math.sin((2 * Math.PI * 330 * n) / 16000) +
    0.2 * Math.sin((2 * Math.PI * 1760 * n) / 16000 + 0.3) +
    0.05 * noise[n]!;
  expect(goldenAudio('clip', 3, 10, 16000, 1).data[n]).toBe(Math.fround(tone * (0.5 + (0.5 * n) / 9)));
});
