import { expect, test } from 'vitest';
import { globMatcher } from './glob.ts';

test('patterns match whole ids', () => {
  expect(['fluid-family', 'fluid-pitch', 'gm-drums'].filter(globMatcher('fluid-*'))).toEqual([
    'fluid-family',
    'fluid-pitch',
  ]);
  expect(['ab', 'abc', 'a.c'].filter(globMatcher('a?'))).toEqual(['ab']);
  expect(['a', 'b', 'c', 'd'].filter(globMatcher('{a,b},d'))).toEqual(['a', 'b', 'd']);
  expect(['axc', 'a.c'].filter(globMatcher('a.c'))).toEqual(['a.c']);
  expect(globMatcher(undefined)('anything')).toBe(true);
});
