/** Handwritten digits, to see that an evaluation works at all. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRng, DataError, messageOf } from '@unlabel/core';
import { encodePng } from '@unlabel/image';
import { z } from 'zod';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { mnistPackage } from './packages.ts';

const side = 28;
const digitSchema = z.object({ data: z.array(z.number().min(0).max(1)) });

/** Of every ten images of a digit, in a seeded order. */
const splitOf = (position: number): string => ['valid', 'test'][position % 10] ?? 'train';

export const mnist10k: ImageSuiteTask = {
  id: 'mnist10k',
  title: 'Handwritten digits (MNIST, 10,000 of them)',
  packages: [mnistPackage],
  note: 'Label: the digit. 28 × 28 grey pixels; 8,000 / 1,000 / 1,000, as many of each digit in each ten. Easy: a check, not a test.',
  build(folders, to) {
    const folder = folders.get(mnistPackage.name)!;
    let position = 0;
    for (let digit = 0; digit < 10; digit++) {
      const path = join(folder, 'src', 'digits', `${digit}.json`);
      let values: readonly number[];
      try {
        values = digitSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).data;
      } catch (cause) {
        throw new DataError(`${path}: is not the file of digits that was expected (${messageOf(cause)})`, { cause });
      }
      const count = Math.floor(values.length / side ** 2);
      for (const i of createRng(0).fork('mnist10k').fork(digit).permutation(count)) {
        const data = Uint8Array.from(values.slice(i * side ** 2, (i + 1) * side ** 2), (x) => Math.round(x * 255));
        const name = `${String(i).padStart(4, '0')}.png`;
        to.write(`${splitOf(position++)}/${digit}/${name}`, encodePng({ width: side, height: side, data }));
      }
    }
    return Promise.resolve(position);
  },
};
