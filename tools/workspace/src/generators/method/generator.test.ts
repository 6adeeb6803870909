import { readFileSync } from 'node:fs';
import { readJson, type Tree } from '@nx/devkit';
import { createTree } from '@nx/devkit/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { importsOf } from '../../imports.ts';
import methodGenerator from './generator.ts';

const workspace = new URL('../../../../../', import.meta.url);
const copied = [
  'tsconfig.json',
  'apps/harness/tsconfig.json',
  'apps/harness/package.json',
  'apps/harness/src/registry.ts',
  'packages/core/package.json',
  'packages/methods/delores/package.json',
];

let tree: Tree;
beforeEach(() => {
  tree = createTree();
  // A file of this name is what formatting looks for in a tree that is not on disk.
  tree.write('.prettierrc', readFileSync(new URL('.prettierrc.json', workspace)));
  for (const file of copied) tree.write(file, readFileSync(new URL(file, workspace)));
});

const root = 'packages/methods/zz-top';

describe('a new method', () => {
  beforeEach(async () => {
    await methodGenerator(tree, { name: 'zz-top' });
  });

  test('has every file of a method package, each filled in', () => {
    const files = ['package.json', 'tsconfig.json', 'README.md', 'src/index.ts', 'src/checkpoints.ts'];
    for (const file of [...files, 'src/zz-top.ts', 'src/zz-top.test.ts']) {
      const text = tree.read(`${root}/${file}`, 'utf8');
      expect(text, file).toBeTruthy();
      expect(text, file).not.toMatch(/<%|%>|__\w+__/);
    }
    expect(readJson<{ name: string }>(tree, `${root}/package.json`).name).toBe('@unlabel/zz-top');
  });

  test('declares what it imports', () => {
    const { dependencies } = readJson<{ dependencies: Record<string, string> }>(tree, `${root}/package.json`);
    for (const file of tree.children(`${root}/src`).filter((name) => !name.endsWith('.test.ts'))) {
      const imports = importsOf(file, tree.read(`${root}/src/${file}`, 'utf8')!);
      const outside = imports.map(({ specifier }) => specifier).filter((name) => !name.startsWith('.'));
      expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(outside));
    }
  });

  test('is one line in the registry, a dependency of the harness, and a project for the compiler', () => {
    expect(tree.read('apps/harness/src/registry.ts', 'utf8')).toContain(
      "  'zz-top': () => import('@unlabel/zz-top').then((m) => m.zzTop),\n",
    );
    expect(readJson<object>(tree, 'apps/harness/package.json')).toMatchObject({
      dependencies: { '@unlabel/zz-top': '*' },
    });
    expect(readJson<object>(tree, 'tsconfig.json')).toMatchObject({
      references: expect.arrayContaining([{ path: root }]),
    });
    expect(readJson<object>(tree, 'apps/harness/tsconfig.json')).toMatchObject({
      references: expect.arrayContaining([{ path: `../../${root}` }]),
    });
  });

  test('cannot be made twice', async () => {
    await expect(methodGenerator(tree, { name: 'zz-top' })).rejects.toThrow(/taken by|exists already|registered/);
  });
});

test.each([
  ['ByolA', /Try "byol-a"/],
  ['byol_a', /Try "byol-a"/],
  ['../up', /kebab-case.*Try "up"/],
  ['3d-cnn', /kebab-case/],
  ['', /kebab-case/],
  ['a'.repeat(41), /at most 40/],
  ['class', /word of the language/],
  ['delores', /taken by packages\/methods\/delores/],
  ['delores-s', /registered method already/],
  ['audio', /taken by the layers/],
])('refuses %j and changes nothing', async (name, message) => {
  const before = tree.listChanges().length;
  await expect(methodGenerator(tree, { name })).rejects.toThrow(message);
  expect(tree.listChanges()).toHaveLength(before);
});
