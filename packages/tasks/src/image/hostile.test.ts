/** Damaged files, by seed: each is used, or every fault is named; nothing else is thrown and nothing hangs. */
import { describe, expect, test } from 'vitest';
import { createRng, isUnlabelError, type Rng } from '@unlabel/core';
import { readImageTask } from './open-image-task.ts';
import { cocoTree, vocTree, writeTree, type Tree } from './testing.ts';
import { validateImageTask } from './validate-image-task.ts';
import { parseVocAnnotation } from './voc-annotation.ts';

/** Some bytes changed, a part cut out, or a part twice. */
function damaged(content: string | Uint8Array, rng: Rng): Uint8Array {
  const bytes = Buffer.from(content);
  const at = (): number => Math.floor(rng.range(0, bytes.length));
  const kind = rng.range(0, 3);
  if (kind < 1) {
    for (let i = 0; i < 3; i++) bytes[at()] = Math.floor(rng.range(0, 256));
    return bytes;
  }
  const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
  if (kind < 2) return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
}

const rng = createRng(20);
const onlyLabels = (tree: Tree, pattern: RegExp): string[] => Object.keys(tree).filter((name) => pattern.test(name));

describe.each<[string, Tree, RegExp]>([
  ['VOC2007', vocTree, /\.(xml|txt)$/],
  ['mini', cocoTree(), /\.json$/],
])('%s', (name, tree, pattern) => {
  test('labels that are damaged are read or named', async () => {
    const files = onlyLabels(tree, pattern);
    let refused = 0;
    for (let i = 0; i < 60; i++) {
      const file = files[i % files.length]!;
      const { task, faults } = await readImageTask(
        await writeTree(name, { ...tree, [file]: damaged(tree[file]!, rng) }),
      );
      if (faults.length > 0) refused++;
      else expect(task).toBeDefined();
      await task?.close();
    }
    expect(refused).toBeGreaterThan(20);
  });
});

test('images that are damaged are decoded or named', async () => {
  for (let i = 0; i < 15; i++) {
    const { faults } = await validateImageTask(
      await writeTree('VOC2007', { ...vocTree, 'JPEGImages/a.jpg': damaged(vocTree['JPEGImages/a.jpg']!, rng) }),
    );
    for (const fault of faults) expect(fault).toContain('JPEGImages/a.jpg');
  }
});

test('an annotation is parsed or refused with its file’s name, and in time', () => {
  const xml = vocTree['Annotations/a.xml'] as string;
  for (let i = 0; i < 500; i++) {
    try {
      parseVocAnnotation(Buffer.from(damaged(xml, rng)).toString('latin1'), 'a.xml');
    } catch (error) {
      expect(isUnlabelError(error), String(error)).toBe(true);
      expect(String(error)).toContain('a.xml');
    }
  }
  const started = performance.now();
  expect(() => parseVocAnnotation(`<annotation ${'a="1" '.repeat(20_000)}`, 'a.xml')).toThrow('a.xml');
  expect(performance.now() - started).toBeLessThan(1000);
});
