/** Checks of a model of images: what an evaluation would stumble over, found in seconds. */
import { createRng, type CropPolicy, type ImageEmbedder, type Pixels } from '@unlabel/core';
import { checkAlone, checkRows, checkSame, error, ok, startChecks, type Finding, type Found } from './findings.ts';

/** Width and height in pixels: squares, wide and tall ones, smaller and larger than networks take, a single pixel. */
const sizes = [
  [64, 64],
  [224, 224],
  [320, 213],
  [97, 301],
  [17, 5],
  [1, 1],
] as const;
const crops: readonly CropPolicy[] = ['center', 'stretch'];

export async function validateImageEmbedder(
  embedder: ImageEmbedder,
  { onCheck }: { readonly onCheck?: (check: string) => void } = {},
): Promise<readonly Finding[]> {
  const { embeddingSize: size } = embedder;
  const { findings, run } = startChecks(onCheck);
  const mixed = sizes.map(([width, height], i) => noise(width, height, `mixed ${i}`));
  await run('attributes', () => Promise.resolve(checkAttributes(embedder)));
  for (const crop of crops)
    await run(`images of ${sizes.length} sizes, ${crop}`, async () =>
      checkRows(await embedder.embedImages(mixed, crop), mixed.length, size, 'image'),
    );
  await run('one colour', async () => {
    const flat = [0, 255].map((value) => ({ ...noise(48, 48, 'flat'), data: new Uint8Array(48 * 48 * 3).fill(value) }));
    return checkRows(await embedder.embedImages(flat, 'center'), flat.length, size, 'image');
  });
  await run('none', async () => checkRows(await embedder.embedImages([], 'center'), 0, size, 'image'));
  await run('other images, other output', () => checkDiffer(embedder));
  await run('same input, same output', async () => {
    const first = Float32Array.from(await embedder.embedImages(mixed, 'center'));
    return checkSame(first, await embedder.embedImages(mixed, 'center'));
  });
  await run('alone as in a batch', async () => {
    const together = Float32Array.from(await embedder.embedImages(mixed, 'center'));
    const alone = await embedder.embedImages(mixed.slice(2, 3), 'center');
    return checkAlone(together.subarray(2 * size, 3 * size), alone, 'an image');
  });
  return findings;
}

/** Uniform noise, RGB. */
function noise(width: number, height: number, label: string): Pixels {
  const rng = createRng(0).fork(label);
  return { width, height, data: Uint8Array.from({ length: width * height * 3 }, () => rng.int(256)) };
}

const checkAttributes = ({ embeddingSize: size }: ImageEmbedder): Found[] =>
  Number.isInteger(size) && size > 0
    ? [ok(`images, embeddings of ${size}`)]
    : [error(`embeddingSize must be a whole number above 0, found ${size}`)];

/** A network that has collapsed, or looks at nothing, gives every image the same vector. */
async function checkDiffer(embedder: ImageEmbedder): Promise<Found[]> {
  const { embeddingSize: size } = embedder;
  const [dark, light] = [noise(64, 64, 'dark'), noise(64, 64, 'light')];
  const images = [{ ...dark, data: dark.data.map((value) => value >> 1) }, light];
  const values = await embedder.embedImages(images, 'center');
  const isSame = values.subarray(0, size).every((value, i) => value === values[size + i]);
  return [isSame ? error('two different images have one embedding') : ok('two images have two embeddings')];
}
