import { expect, test } from 'vitest';
import * as binaries from '../src/wasm/binaries.ts';
import { build } from './build.ts';

test('the committed kernels are what the sources compile to', async () => {
  expect(await build()).toEqual({ ...binaries });
});
