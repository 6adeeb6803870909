import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRng, type Tensor } from '@unlabel/core';
import { tf } from './backend.ts';
import { loadCheckpoint, readCheckpoint, saveCheckpoint } from './checkpoint.ts';
import * as init from './init.ts';
import { adamW } from './optim/adamw.ts';
import { parameter, toArrays } from './params.ts';
import { testEngine } from './testing.ts';

let dir = '';
beforeAll(async () => {
  await testEngine();
  dir = await mkdtemp(join(tmpdir(), 'unlabel-checkpoint-'));
});
afterAll(() => rm(dir, { recursive: true }));

function network(seed: number) {
  const rng = createRng(seed);
  const params = new Map([
    ['conv.weight', parameter(init.kaimingUniform([4, 3, 2, 2], rng), { layout: 'conv2d' })],
    ['bn.running_mean', parameter(init.normal([4], 1, rng), { trainable: false })],
  ]);
  const optimizer = adamW(new Map([['conv.weight', params.get('conv.weight')!]]));
  const grads = new Map<string, Tensor>([['conv.weight', tf.ones([2, 2, 3, 4])]]);
  return { params, optimizer, step: () => optimizer.step(grads, 0.1), rng };
}

test('a restored run takes the same steps, bit for bit', async () => {
  const path = join(dir, 'a.safetensors');
  const first = network(1);
  first.step();
  const { params, optimizer, rng } = first;
  await saveCheckpoint(path, { params, optimizer, step: 1, rng: rng.state(), meta: { method: 'x' } });
  const second = network(2);
  const loaded = await loadCheckpoint(path, second);
  expect(loaded.step).toBe(1);
  expect(loaded.meta).toEqual({ method: 'x' });
  second.rng.restore(loaded.rng!);
  expect(second.rng.uniform()).toBe(first.rng.uniform());
  first.step();
  second.step();
  expect(await toArrays(second.params)).toEqual(await toArrays(first.params));
  expect(await toArrays(second.optimizer.state)).toEqual(await toArrays(first.optimizer.state));
});

test('equal content gives equal bytes, and no temporary file stays', async () => {
  const { params } = network(1);
  for (const name of ['b', 'c']) await saveCheckpoint(join(dir, `${name}.safetensors`), { params, step: 0 });
  expect(await readFile(join(dir, 'b.safetensors'))).toEqual(await readFile(join(dir, 'c.safetensors')));
  expect((await readdir(dir)).filter((name) => !name.endsWith('.safetensors'))).toEqual([]);
});

test('a checkpoint of another network is refused with every fault and changes nothing', async () => {
  const path = join(dir, 'd.safetensors');
  const { params } = network(1);
  await saveCheckpoint(path, { params, step: 0 });
  const other = new Map([...params, ['extra', parameter(init.ones([2]))]]);
  await expect(loadCheckpoint(path, { params: other })).rejects.toThrow(
    /d\.safetensors: .*2 of 3.*\n.*extra: missing/s,
  );
  const third = network(3);
  const before = await toArrays(third.params);
  await expect(loadCheckpoint(path, third)).rejects.toThrow(/exp_avg\.conv\.weight: missing/);
  expect(await toArrays(third.params)).toEqual(before);
});

test('damaged and foreign files are checkpoint errors that name the file', async () => {
  const path = join(dir, 'e.safetensors');
  await saveCheckpoint(path, { params: network(1).params, step: 0 });
  await truncate(path, 300);
  await expect(readCheckpoint(path)).rejects.toMatchObject({
    name: 'CheckpointError',
    message: expect.stringContaining(path),
  });
  await writeFile(path, '{}');
  await expect(readCheckpoint(path)).rejects.toMatchObject({ name: 'CheckpointError' });
  await expect(readCheckpoint(join(dir, 'none'))).rejects.toMatchObject({ name: 'CheckpointError' });
});
