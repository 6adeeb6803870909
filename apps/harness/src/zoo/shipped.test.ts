import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { testEngine } from '@unlabel/engine';
import { load } from '@unlabel/zoo';
import {
  entryOf,
  readCard,
  readIndex,
  readManifest,
  resolveCheckpoint,
  shippedDir,
  shippedIds,
  verifyCheckpoint,
} from '@unlabel/zoo/files';
import { beforeAll, describe, expect, test } from 'vitest';
import { methods } from '../registry.ts';
import { checkpointEntry } from './site.ts';

beforeAll(() => testEngine());

test('every method has a checkpoint trained here', () => {
  const shipped = new Set(shippedIds().map((id) => id.split('.')[1]!.split('_')[0]));
  expect(Object.keys(methods).filter((method) => !shipped.has(method))).toEqual([]);
});

const sampleRate = 22050;
const tone = Float32Array.from({ length: sampleRate }, (_, t) => 0.3 * Math.sin((2 * Math.PI * 330 * t) / sampleRate));
const picture = { width: 50, height: 40, data: Uint8Array.from({ length: 50 * 40 * 3 }, (_, i) => (i * 7919) % 256) };

describe.each(shippedIds())('%s', (id) => {
  test('is whole, small, and has scores with intervals in its card', async () => {
    const dir = resolveCheckpoint(id);
    expect(dir).toBe(join(shippedDir, id));
    expect(await verifyCheckpoint(dir)).toEqual([]);
    const { files } = await readManifest(dir);
    for (const { name } of files) expect((await stat(join(dir, name))).size).toBeLessThan(2_000_000);
    const card = await readCard(dir);
    expect(card.id).toBe(id);
    expect(card.training?.command).toContain(`npx unlabel pretrain ${card.method}`);
    expect(card.results.length).toBeGreaterThan(5);
    for (const { value, low, high } of card.results) expect(low! < value! && value! < high!).toBe(true);
  });

  test('is in the index as it is', async () => {
    const own = entryOf(await readIndex(), id);
    expect(own).toMatchObject(await checkpointEntry(resolveCheckpoint(id), `../../../checkpoints/${id}/`));
  });

  test('embeds', async () => {
    const model = await load(id);
    const embedding = await (model.modality === 'image' ? model.embed(picture) : model.embed(tone, { sampleRate }));
    expect(embedding).toHaveLength((await readCard(resolveCheckpoint(id))).embeddingSize.scene);
    expect(new Set(embedding).size).toBeGreaterThan(10);
    expect(embedding.every(Number.isFinite)).toBe(true);
    model.dispose();
  });
});
