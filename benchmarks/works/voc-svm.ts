/** Our side of `voc-svm`: cost selection and final fit of every class. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeNpy, readJson } from '@unlabel/formats';
import { fitVocSvm } from '@unlabel/probes';
import { serve, timed } from '../lib/serve.ts';

interface Problem {
  flags: number[];
  classes: number;
  width: number;
  costs: number[];
}

const folder = process.argv[2]!;
const { flags, classes, width, costs } = (await readJson(join(folder, 'problem.json'))) as Problem; // written by the suite
const { data } = decodeNpy(await readFile(join(folder, 'x.npy')));
const train = { embeddings: { data: Float32Array.from(data), width }, flags };
const test = {
  embeddings: { data: train.embeddings.data.subarray(0, 40 * width), width },
  flags: flags.slice(0, 40 * classes),
};

await serve({ node: process.version }, { select: () => timed(() => fitVocSvm(train, test, classes, { costs })) });
