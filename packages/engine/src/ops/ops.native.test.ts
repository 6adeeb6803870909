import { expect, test } from 'vitest';
import { findNative } from '../native/load.ts';
import { describeOps } from './ops.test-suite.ts';

if (findNative() !== undefined) describeOps('tensorflow');
else
  test('the native engine is not installed: its kernels are not tested here', () =>
    expect(findNative()).toBeUndefined());
