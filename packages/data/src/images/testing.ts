/** Small stand-ins of the image packages for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodePng } from '@unlabel/image';
import { emojiPackage, mnistPackage, type Vendor } from './packages.ts';

const categories = ['Animals & Nature', 'Food & Drink', 'Objects'];

/** A disc of a colour on nothing, RGBA [16, 16, 4]; nothing has a colour of its own, as in some files. */
function disc(seed: number): Uint8Array {
  const rng = createRng(seed);
  const color = [rng.int(256), rng.int(256), rng.int(256)];
  const data = new Uint8Array(16 * 16 * 4);
  for (let i = 0; i < 256; i++) {
    const [x, y] = [(i % 16) - 7.5, Math.floor(i / 16) - 7.5];
    const inside = Math.max(0, Math.min(1, 7.5 - Math.hypot(x, y)));
    data.set([...color, Math.round(255 * inside)], 4 * i);
  }
  return encodePng({ width: 16, height: 16, data });
}

const entry = (code: number, category: string, more: Readonly<Record<string, unknown>> = {}) => ({
  unified: code.toString(16).toUpperCase(),
  image: `${code.toString(16)}.png`,
  short_name: `name${code}`,
  category,
  has_img_twitter: true,
  has_img_google: true,
  ...more,
});

/** 20 emoji of each of three categories, a runner as woman and as man, a flag. @returns the folder that holds node_modules */
export function fakeImagePackages(dir: string): string {
  const plain = categories.flatMap((category, c) =>
    Array.from({ length: 20 }, (_, i) => entry(0x1f000 + 64 * c + i, category)),
  );
  const runner = (gender: string): object =>
    entry(0, 'Objects', {
      unified: `1F3C3-200D-${gender}-FE0F`,
      image: `1f3c3-200d-${gender.toLowerCase()}-fe0f.png`,
      short_name: `runner-${gender}`,
    });
  const list = [...plain, runner('2640'), runner('2642'), entry(0x1f1e6, 'Flags')] as { image: string }[];
  const put = (name: string, file: string, content: string | Uint8Array): void => {
    const path = join(dir, 'node_modules', name, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  };
  for (const vendor of ['twitter', 'google'] as readonly Vendor[]) {
    const { name, version } = emojiPackage(vendor);
    put(name, 'package.json', JSON.stringify({ name, version }));
    put(name, 'LICENSE', 'terms of the drawings');
    put(name, 'emoji.json', JSON.stringify(list));
    list.forEach(({ image }, i) => put(name, `img/${vendor}/64/${image}`, disc(vendor === 'google' ? 1000 + i : i)));
  }
  put(mnistPackage.name, 'package.json', JSON.stringify({ name: mnistPackage.name, version: mnistPackage.version }));
  put(mnistPackage.name, 'LICENSE', 'terms of the digits');
  for (let digit = 0; digit < 10; digit++) {
    const data = Array.from({ length: 10 * 784 }, (_, i) => ((i + digit) % 256) / 255);
    put(mnistPackage.name, `src/digits/${digit}.json`, JSON.stringify({ data }));
  }
  return dir;
}
