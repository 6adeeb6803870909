import { expect, test } from 'vitest';
import { addMethod, registeredIds } from './registry.ts';

const table = (lines: readonly string[]): string =>
  ['export const methods = {', '  // methods:begin', ...lines, '  // methods:end', '};', ''].join('\n');
const line = (id: string, name: string): string => `  '${id}': () => import('@unlabel/${id}').then((m) => m.${name}),`;

test('adds a line at its place in the order of ids', () => {
  const source = table([line('atst', 'atst'), line('moco', 'moco')]);
  expect(addMethod(source, 'byol-a', 'byolA')).toBe(
    table([line('atst', 'atst'), line('byol-a', 'byolA'), line('moco', 'moco')]),
  );
  expect(addMethod(source, 'aaa', 'aaa')).toBe(table([line('aaa', 'aaa'), line('atst', 'atst'), line('moco', 'moco')]));
  expect(addMethod(source, 'swav', 'swav')).toBe(
    table([line('atst', 'atst'), line('moco', 'moco'), line('swav', 'swav')]),
  );
});

test('adds the first line', () => {
  expect(addMethod(table([]), 'byol-a', 'byolA')).toBe(table([line('byol-a', 'byolA')]));
});

test('keeps an entry of several lines together', () => {
  const long = ["  'delores-s': () =>", "    import('@unlabel/delores').then((m) => m.deloresS),"];
  const added = addMethod(table(long), 'dino', 'dino');
  expect(added).toBe(table([...long, line('dino', 'dino')]));
  expect(registeredIds(added)).toEqual(['delores-s', 'dino']);
});

test('says what is missing when the markers are gone', () => {
  expect(() => addMethod('export const methods = {};', 'x', 'x')).toThrow(/expected the markers/);
});
