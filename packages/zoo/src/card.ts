/** The model card of a checkpoint, its `README.md`: front matter for programs, below it what a person wants to know. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, parseConfig } from '@unlabel/core';
import { writeFileAtomic } from '@unlabel/formats';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

export const cardFile = 'README.md';

export const cardResultSchema = z.strictObject({
  task: z.string(),
  revision: z.string(),
  protocol: z.string(),
  metric: z.string(),
  value: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  n: z.int(),
  seed: z.int(),
  engine: z.string(),
});
export type CardResult = z.output<typeof cardResultSchema>;

export const modelCardSchema = z.strictObject({
  schema: z.literal(1),
  id: z.string(),
  title: z.string(),
  /** SPDX id, or what the authors say. */
  licence: z.string(),
  /** A licence that restricts use, shown before the first pull. */
  restricted: z.boolean().default(false),
  method: z.string(),
  paper: z.string().nullable().default(null),
  /** Where the weights come from: `trained here`, or the authors' address. */
  source: z.string(),
  /** What it was trained on, one line each. */
  data: z.array(z.string()),
  /** Ids of evaluated tasks whose clips were heard without labels. */
  sawUnlabelled: z.array(z.string()).default([]),
  backbone: z.string(),
  params: z.int().nonnegative(),
  dtype: z.string(),
  sampleRate: z.number().positive().nullable(),
  embeddingSize: z.strictObject({ scene: z.int().nonnegative(), timestamp: z.int().nonnegative() }),
  /** How it was made, of checkpoints trained here. */
  training: z
    .strictObject({
      command: z.string(),
      steps: z.int().nonnegative(),
      seconds: z.number().nonnegative(),
      engine: z.string(),
      device: z.string(),
    })
    .nullable()
    .default(null),
  limits: z.array(z.string()).default([]),
  /** Measured on this very checkpoint. */
  results: z.array(cardResultSchema).default([]),
});
export type ModelCard = z.output<typeof modelCardSchema>;

/** @throws CheckpointError or ConfigError when there is no card, or its front matter is not one */
export async function readCard(dir: string): Promise<ModelCard> {
  const path = join(dir, cardFile);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CheckpointError(`${path}: cannot be read; a checkpoint folder has its card there`, { cause });
  });
  const front = /^---\n([\s\S]*?)\n---\n/.exec(text.replaceAll('\r\n', '\n'))?.[1];
  if (front === undefined) throw new CheckpointError(`${path}: expected front matter between two lines of ---`);
  let value: unknown;
  try {
    value = parse(front, { maxAliasCount: 0 });
  } catch (cause) {
    throw new CheckpointError(`${path}: its front matter is not YAML`, { cause });
  }
  return parseConfig(modelCardSchema, value, path);
}

export async function writeCard(dir: string, card: ModelCard): Promise<void> {
  await writeFileAtomic(join(dir, cardFile), cardText(card));
}

const percent = (value: number | null): string => (value === null ? '–' : (100 * value).toFixed(1));

/** What a card says of sounds, and of images. */
const words = {
  audio: {
    embed: 'const embedding = await model.embed(samples, { sampleRate: 44100 }); // mono, −1…1',
    files: 'a.wav b.flac',
    saw: 'Heard without labels, so that scores there are not of unseen audio',
    items: 'clips',
  },
  image: {
    embed: "const embedding = await model.embed('photo.jpg'); // or RGB pixels: { width, height, data }",
    files: 'a.jpg b.png',
    saw: 'Seen without labels, so that scores there are not of unseen images',
    items: 'images',
  },
} as const;

/** The whole README. Equal cards give equal bytes. */
export function cardText(card: ModelCard): string {
  const { training, results, embeddingSize, sampleRate } = card;
  const isImage = sampleRate === null;
  const { embed, files, saw, items } = words[isImage ? 'image' : 'audio'];
  const lines = [
    '---',
    stringify(card, { lineWidth: 0 }).trimEnd(),
    '---',
    '',
    `# ${card.id}`,
    '',
    `${card.title}.`,
    '',
    '## Use',
    '',
    '```ts',
    "import { load } from '@unlabel/zoo';",
    '',
    `const model = await load('${card.id}');`,
    embed,
    'model.dispose();',
    '```',
    '',
    `    npx unlabel embed ${card.id} ${files} -o embeddings.npy`,
    '',
    '## What it is',
    '',
    '| | |',
    '| --- | --- |',
    `| method | ${card.method}${card.paper === null ? '' : `, ${card.paper}`} |`,
    `| backbone | ${card.backbone}, ${card.params.toLocaleString('en')} values, stored as ${card.dtype} |`,
    `| input | ${isImage ? 'images' : `${sampleRate} Hz`} |`,
    `| embeddings | ${embeddingSize.scene} ${isImage ? 'an image' : `a clip, ${embeddingSize.timestamp || 'no'} a frame`} |`,
    `| licence | ${card.licence} |`,
    `| source | ${card.source} |`,
    '',
    '## Data',
    '',
    ...card.data.map((line) => `- ${line}`),
    ...(card.sawUnlabelled.length > 0 ? [`- ${saw}: ${card.sawUnlabelled.join(', ')}`] : []),
    '',
  ];
  if (training) {
    lines.push(
      '## Training',
      '',
      `${training.steps} steps in ${Math.round(training.seconds)} s on ${training.engine}, ${training.device}:`,
      '',
      `    ${training.command}`,
      '',
    );
  }
  if (results.length > 0) {
    lines.push(
      '## Results',
      '',
      `Of this checkpoint, percent, with 95 % bootstrap intervals over test ${items}:`,
      '',
      `| task | protocol | metric | score | interval | ${items} | engine |`,
      '| --- | --- | --- | --- | --- | --- | --- |',
      ...results.map(
        (row) =>
          `| ${row.task} | ${row.protocol} | ${row.metric} | ${percent(row.value)} | ${percent(row.low)} – ${percent(row.high)} | ${row.n} | ${row.engine} |`,
      ),
      '',
    );
  }
  if (card.limits.length > 0) lines.push('## Limits', '', ...card.limits.map((line) => `- ${line}`), '');
  return lines.join('\n');
}
