import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { describeDevice } from './device.ts';
import { TENSORFLOW_VERSION } from './native/platform.ts';

test('a description says what computed, with which options', () => {
  const native = describeDevice('tensorflow', { precision: 'bf16', deterministic: true });
  expect(native).toMatchObject({ version: TENSORFLOW_VERSION, precision: 'bf16', deterministic: true });
  expect(native.threads).toBe(availableParallelism());
  expect(native.device).not.toBe('');
  expect(describeDevice('wasm', { precision: 'bf16' })).toMatchObject({ precision: 'float32', deterministic: true });
});
