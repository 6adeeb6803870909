/** Our side of `probe`: standardise and fit at each strength. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeNpy, readJson } from '@unlabel/formats';
import { fitLinear } from '@unlabel/probes';
import { serve, timed } from '../lib/serve.ts';

interface Problem {
  labels: number[];
  classes: number;
  width: number;
  strengths: number[];
}

const folder = process.argv[2]!;
const problem = (await readJson(join(folder, 'problem.json'))) as Problem; // written by the suite
const { data } = decodeNpy(await readFile(join(folder, 'x.npy')));
const embeddings = { data: Float32Array.from(data), width: problem.width };
const labels = problem.labels.map((label) => [label]);

await serve(
  { node: process.version },
  {
    fit: () =>
      timed(() =>
        fitLinear({ embeddings, labels, classes: problem.classes, predictionType: 'multiclass' }, problem.strengths),
      ),
  },
);
