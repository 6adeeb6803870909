/** Features made elsewhere: read, found by file names, probed; and what does not fit. */
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createRng, resultSchema } from '@unlabel/core';
import { encodeNpy } from '@unlabel/formats';
import { encodePng } from '@unlabel/image';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../evaluate/evaluate.ts';
import { openAnyTask } from '../evaluate/open-task.ts';
import { createDisplay } from '../display/display.ts';
import { checkFeatures, featuresRef, readFeatures, rowFinder, type FeaturesRef } from './features.ts';

const folder = await mkdtemp(join(tmpdir(), 'features-'));
const write = async (name: string, content: string | Uint8Array): Promise<FeaturesRef> => {
  await writeFile(join(folder, name), content);
  return { kind: 'features', id: 'f', file: join(folder, name.replace(/\.(json|txt)$/, '.npy')) };
};
const array = (rows: number, width: number, change: (i: number) => number = (i) => i): Uint8Array =>
  encodeNpy({ data: Float32Array.from({ length: rows * width }, (_, i) => change(i)), shape: [rows, width] });

/** `numpy.savez(features=arange(6.).reshape(3, 2), ids=["000005", "b/ä.jpg", "c"])` of numpy 2.4, gzipped. */
const savez = gunzipSync(
  Buffer.from(
    'H4sIAAAAAAACAwvwZmbRZYAARYY+4Ssm/6GAh0GEIS01saS0KLVYL6+gkpFBgGEDVCWMnuwX6hsQychQxlCtnpJanFykbqWgbpNmoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaxjoKRpo6CrUKZAMuBhTwwR7KcIBQHFBaAEqLOASg+JahfeJemG/Zgb7NTIF79ApU0RW8Hg01J9KjlHkT6FEDoBvQsSnUbUlArA/ET4BYD4izgLgAiNOBOJkBNwjwZmTSZUaN/A3QyOVBUtfACCKRkwK6TlBAXoGGFjuKzndAEhqsAd6sbCBBJiDMB9K/wcYCAOZ7fB6AAgAA',
    'base64',
  ),
);

describe('features made elsewhere', () => {
  test('are read from what numpy.savez writes', async () => {
    const ref = await write('savez.npz', savez);
    const { ids, data, width } = await readFeatures(ref);
    expect([ids, [...data], width]).toEqual([['000005', 'b/ä.jpg', 'c'], [0, 1, 2, 3, 4, 5], 2]);
  });

  test('are read with ids in a list, in what `unlabel embed` writes, and a line each', async () => {
    const { file } = await write('a.npy', array(2, 3));
    await write('a.txt', 'x.jpg\n\ny.jpg\n');
    expect((await readFeatures({ file })).ids).toEqual(['x.jpg', 'y.jpg']);
    await write('a.json', '{"model": "m", "files": ["p", "q"]}');
    expect((await readFeatures({ file })).ids).toEqual(['p', 'q']);
    await write('a.json', '[17, 3]');
    expect((await readFeatures({ file })).ids).toEqual(['17', '3']);
  });

  test('are found by the longest end of a path, with the ending or without', () => {
    const rowOf = rowFinder({ ids: ['000005', 'b/1.jpg', '1', './c/2.png'] }, 'f.npz');
    expect(['/x/JPEGImages/000005.jpg', '/a/b/1.jpg', '/a/c/1.jpg', '/x.zip#c/2.png'].map(rowOf)).toEqual([0, 1, 2, 3]);
    expect(() => rowOf('/a/2.jpg')).toThrow('f.npz: has no features of /a/2.jpg; ids are such as "000005"');
  });

  test('that do not fit are named', async () => {
    const bare = await write('bare.npy', array(2, 3));
    await expect(readFeatures(bare)).rejects.toThrow('its ids are missing, one an image; expected');
    await write('bare.txt', 'x\n');
    await expect(readFeatures(bare)).rejects.toThrow('2 rows of features have 1 ids');
    await write('bare.txt', 'x\nx\n');
    await expect(readFeatures(bare)).rejects.toThrow('the id "x" is there more than once');
    await write('bare.txt', 'x\ny\n');
    await write(
      'bare.npy',
      array(2, 3, (i) => (i === 4 ? NaN : i)),
    );
    await expect(readFeatures(bare)).rejects.toThrow('the features of y hold NaN');
    await write('bare.npy', encodeNpy({ data: new Float32Array(4), shape: [4] }));
    await expect(readFeatures(bare)).rejects.toThrow('expected features [images, values], found [4]');
    expect(() => featuresRef('features:none.npz')).toThrow('there is no such file');
    expect(() => featuresRef('features:none.pkl')).toThrow('expected a .npy or .npz file');
    const ref = await write('two.npy', array(1, 2));
    await write('two.txt', '1\n');
    const twice = checkFeatures(ref, [{ path: '/a/1.png', hash: 'a' }, { path: '/b/1.png', hash: 'b' }]); // prettier-ignore
    await expect(twice).rejects.toThrow('"1" stands for /a/1.png and for /b/1.png');
  });

  test('are probed like embeddings made here, without a look at the pixels', async () => {
    const names: string[] = [];
    for (const [split, count] of [
      ['train', 20],
      ['val', 10],
    ] as const) {
      for (let i = 0; i < count; i++) {
        const dir = join(folder, 'task', split, i % 2 ? 'odd' : 'even');
        await mkdir(dir, { recursive: true });
        const data = Uint8Array.from({ length: 12 }, (_, j) => (i * 37 + j * 11 + (split === 'val' ? 100 : 0)) % 256);
        await writeFile(join(dir, `${split}${i}.png`), encodePng({ width: 2, height: 2, data }));
        names.push(`${split}${i}`);
      }
    }
    const rng = createRng(1);
    const isOdd = (name: string): number => (Number(/\d+$/.exec(name)![0]) % 2 ? 1 : -1);
    const data = Float32Array.from(names.flatMap((name) => [2 * isOdd(name) + rng.normal(), rng.normal(), 1]));
    await write('made.npy', encodeNpy({ data, shape: [names.length, 3] }));
    await write('made.txt', names.join('\n'));
    const out = join(folder, 'out');
    const [result] = await evaluate({
      models: [featuresRef(`features:${join(folder, 'made.npy')}`)],
      tasks: [await openAnyTask(join(folder, 'task'))],
      out,
      protocol: 'knn-dino/v1',
      seeds: [0],
      memory: 1e8,
      rerun: 'missing',
      workers: 1,
      engine: {},
      display: createDisplay('none'),
    });
    expect(result!.metrics['top1_acc']!.value).toBeGreaterThan(0.85);
    expect(result!.model).toMatchObject({ id: 'made', method: 'features made elsewhere', embeddingSize: 3 });
    expect(result!.protocol.options).toMatchObject({ crop: 'as made' });
    const dir = join(out, 'results/made', (await readdir(join(out, 'results/made')))[0]!);
    const [file] = (await readdir(dir)).filter((name) => name.endsWith('.s0.json'));
    expect(resultSchema.parse(JSON.parse(await readFile(join(dir, file!), 'utf8'))).n).toBe(10);
  }, 60_000);
});
