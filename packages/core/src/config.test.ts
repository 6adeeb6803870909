import { expect, test } from 'vitest';
import { z } from 'zod';
import { canonicalJson, mergeConfig, parseConfig, parseOverrides } from './config.ts';
import { ConfigError } from './errors.ts';
import { load, nearest } from './registry.ts';

test('overrides nest, and values are JSON where they parse', () => {
  expect(parseOverrides(['recipe.lr=3e-4', 'a.b.c=true', 'a.d=[1,2]', 'name=plain text', 'empty='])).toEqual({
    recipe: { lr: 3e-4 },
    a: { b: { c: true }, d: [1, 2] },
    name: 'plain text',
    empty: '',
  });
});

test('an override without = or with an empty or dangerous key is refused', () => {
  for (const bad of ['novalue', '=1', 'a..b=1', '__proto__.x=1'])
    expect(() => parseOverrides([bad])).toThrow(ConfigError);
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

test('merging is deep, later wins, undefined is skipped, arrays are replaced', () => {
  const base = { a: { b: 1, c: [1, 2] }, d: 2 };
  expect(mergeConfig(base, { a: { c: [3] } }, undefined, { d: undefined, e: 5 })).toEqual({
    a: { b: 1, c: [3] },
    d: 2,
    e: 5,
  });
  expect(base).toEqual({ a: { b: 1, c: [1, 2] }, d: 2 });
});

test('a config error is headed by where it stands and names the field', () => {
  const schema = z.strictObject({ lr: z.number() });
  expect(() => parseConfig(schema, { lr: 'high' }, 'delores-s config')).toThrow(/delores-s config:[\s\S]*lr/);
  expect(() => parseConfig(schema, { lr: 1, extra: 2 }, 'x')).toThrow(/extra/);
});

test('canonical JSON does not depend on the order of keys', () => {
  expect(canonicalJson({ b: 1, a: { d: 2, c: 3 } })).toBe(canonicalJson({ a: { c: 3, d: 2 }, b: 1 }));
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
});

test('a wrong name suggests near ones', async () => {
  expect(nearest('delore-s', ['delores-s', 'delores-m', 'beats'])[0]).toBe('delores-s');
  await expect(load({ 'delores-s': () => Promise.resolve(1) }, 'deloress', 'method')).rejects.toThrow(
    /Did you mean delores-s/,
  );
  await expect(load({ a: () => Promise.resolve(1) }, 'constructor', 'method')).rejects.toThrow(ConfigError);
});
