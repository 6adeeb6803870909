import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { plainConstructors, type NumpyArray } from './pickle-globals.ts';
import { PickleGlobal, PickleObject, readPickle } from './pickle.ts';
import { damage, fixtureJson, outcome } from './testing.ts';

const options = { name: 'x.pkl', constructors: plainConstructors('x.pkl') };
const read = (bytes: Uint8Array): unknown => readPickle(bytes, options).value;
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const pickles = Object.entries(fixtureJson('pickles.json') as Record<string, string>).map(
  ([protocol, hex]) => [protocol, new Uint8Array(Buffer.from(hex, 'hex'))] as const,
);

describe.each(pickles)('protocol %s', (_, bytes) => {
  test('gives the values that Python wrote', () => {
    const root = read(bytes) as Map<unknown, unknown>;
    expect(root.get('none')).toBe(null);
    expect([root.get('yes'), root.get('no')]).toEqual([true, false]);
    expect(root.get('ints')).toEqual([0, 255, 65535, -1, 2 ** 31, -(2 ** 40), 2n ** 80n, -(2n ** 63n)]);
    expect(root.get('floats')).toEqual([0.1, -1e300, Infinity]);
    expect([root.get('text'), root.get('long')]).toEqual(['grüße, 音', 'x'.repeat(300)]);
    expect(root.get('bytes')).toEqual(Uint8Array.of(0, 255, 0, 255, 0, 255));
    expect(root.get('bytearray')).toEqual(Uint8Array.of(97, 98));
    expect(root.get('tuples')).toEqual([[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]);
    expect([root.get('set'), root.get('frozen'), root.get(7)]).toEqual([new Set([3]), new Set([4]), 'seven']);
    expect(root.get('nested')).toEqual(new Map([['a', new Map([['b', [new Map([['c', 1]])]]])]]));
    expect([root.get('ordered'), root.get('default')]).toEqual([new Map([['x', 1]]), new Map([['k', [1]]])]);
    expect([root.get('scalar'), root.get('int64'), root.get('flag')]).toEqual([0.25, -5, true]);
    expect((root.get('array') as NumpyArray).array).toEqual({ data: Float32Array.of(0, 1, 2, 3, 4, 5), shape: [2, 3] });
    expect((root.get('fortran') as NumpyArray).array).toEqual({ data: Int32Array.of(0, 1, 2, 3, 4, 5), shape: [2, 3] });
    const shared = root.get('shared') as unknown[];
    expect(shared[0]).toBe(shared[1]);
    expect(root.get('namespace')).toEqual(
      new Map<string, unknown>([
        ['lr', 0.5],
        ['name', 'run'],
      ]),
    );
    expect(root.get('unknown')).toMatchObject({ global: 'fractions.Fraction' });
  });
});

test('runs nothing: a call of anything unknown is a node that says what it would have called', () => {
  for (const evil of [
    "cos\nsystem\n(S'rm -rf /'\ntR.",
    "(S'rm -rf /'\nios\nsystem\n.",
    "(cos\nsystem\nS'rm -rf /'\no.",
  ]) {
    const node = read(ascii(evil));
    expect(node).toBeInstanceOf(PickleObject);
    expect(node).toMatchObject({ global: 'os.system', args: ['rm -rf /'] });
  }
  expect(read(ascii('cbuiltins\neval\n.'))).toEqual(new PickleGlobal('builtins.eval'));
  expect(read(ascii('cconstructor\nprototype\n)R.'))).toMatchObject({ global: 'constructor.prototype' });
});

test('keeps names such as __proto__ as plain keys', () => {
  const map = read(ascii("(dS'__proto__'\nI1\ns.")) as Map<unknown, unknown>;
  expect([map.get('__proto__'), ({} as Record<string, unknown>)['I1']]).toEqual([1, undefined]);
});

test.each<[string, Uint8Array, RegExp]>([
  ['ends early', ascii('(lp0\n'), /1 bytes expected, 0 left/],
  ['pops an empty stack', ascii('.'), /its stack is empty/],
  ['appends to a number', ascii('I1\nI2\na.'), /not a list/],
  ['sets items on a list', ascii('(lI1\nI2\ns.'), /not a dict/],
  ['recalls what was never stored', ascii('g7\n.'), /memo 7 was never stored/],
  ['closes a mark that is not open', ascii('t.'), /a mark is missing/],
  ['uses an extension', ascii('\x82\x01.'), /opcode 0x82/],
  ['is of a later protocol', ascii('\x80\x06.'), /protocol 6/],
  ['states a string of gigabytes', ascii('X\xff\xff\xff\x7fab'), /2147483647 bytes expected/],
  ['states an integer of megabytes', ascii('\x8b\x00\x00\x10\x00ab'), /an integer of 1048576 bytes/],
  ['holds malformed text', ascii('X\x02\x00\x00\x00\xff\xfe.'), /UTF-8/],
  ['refers outside of itself', ascii('Pkey\n.'), /objects outside/],
  ['pushes without end', new Uint8Array(1_100_000).fill(0x29), /stack grows too deep/],
  ['marks without end', new Uint8Array(1_100_000).fill(0x28), /stack grows too deep/],
])('refuses a pickle that %s', (_, bytes, message) => {
  expect(() => read(bytes)).toThrow(message);
  expect(() => read(bytes)).toThrow(/^x\.pkl: /);
});

test('every damaged pickle is read or refused with a DataError', async () => {
  const rng = createRng(6);
  const counts = { read: 0, refused: 0 };
  for (const [protocol, bytes] of pickles) {
    for (let i = 0; i < 500; i++) counts[await outcome(() => read(damage(bytes, rng.fork(`${protocol} ${i}`))))]++;
  }
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(50);
});
