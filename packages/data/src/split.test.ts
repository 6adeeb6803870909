import { createRng } from '@unlabel/core';
import { expect, test } from 'vitest';
import { foldNames, splitGroups } from './split.ts';

const rng = createRng(5);
const items = Array.from({ length: 300 }, () => {
  const label = 'abc'[rng.int(3)]!;
  return { label, group: `${label}${rng.int(20)}` };
});

test('keeps groups whole', () => {
  const parts = splitGroups(items, [1, 1, 1, 1, 1], 'seed');
  const partOf = new Map<string, number>();
  items.forEach(({ group }, i) => {
    expect(partOf.get(group) ?? parts[i]).toBe(parts[i]);
    partOf.set(group, parts[i]!);
  });
});

test('gives every part its share of every label, to within the size of a group', () => {
  for (const shares of [
    [1, 1, 1, 1, 1],
    [0.6, 0.2, 0.2],
  ]) {
    const parts = splitGroups(items, shares, 'seed');
    const total = shares.reduce((sum, share) => sum + share, 0);
    for (const label of 'abc') {
      const of = items.filter((item) => item.label === label).length;
      const largest = Math.max(...items.map((item) => items.filter(({ group }) => group === item.group).length));
      shares.forEach((share, part) => {
        const count = items.filter((item, i) => item.label === label && parts[i] === part).length;
        expect(Math.abs(count - (of * share) / total)).toBeLessThanOrEqual(largest);
      });
    }
  }
});

test('depends on the seed and the items, not on their order', () => {
  const parts = splitGroups(items, [1, 1], 'seed');
  expect(splitGroups(items, [1, 1], 'seed')).toEqual(parts);
  expect(splitGroups(items, [1, 1], 'other')).not.toEqual(parts);
  expect(splitGroups(items.toReversed(), [1, 1], 'seed')).toEqual(parts.toReversed());
});

test('refuses more parts than groups', () => {
  expect(() => splitGroups([{ group: 'a', label: 'x' }], [1, 1], 'few')).toThrow(/few: 1 groups cannot fill 2 splits/);
});

test('names folds as HEAR does', () => {
  expect(foldNames(3)).toEqual(['fold00', 'fold01', 'fold02']);
});
