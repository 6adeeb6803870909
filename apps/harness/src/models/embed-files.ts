/** Embedding files for a user: what `unlabel embed` does. */
import { loadAudio } from '@unlabel/audio';
import { ConfigError, messageOf, DataError, type ImageEmbedder } from '@unlabel/core';
import type { RgbImage } from '@unlabel/image';
import { encodeNpy, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import type { EmbedOptions } from '../commands/embed.ts';
import { createDisplay, type Display } from '../display/display.ts';
import { loadImage } from '../evaluate/embed-images.ts';
import { engineOptionsOf } from '../options.ts';
import { listItems, type Item } from '../pretrain/items.ts';
import { describeModel } from './describe.ts';
import { isNetwork, openImageModel, openModel, parseModel } from './resolve.ts';

/** Clips handed to the model at once. */
const clipsAtOnce = 32;

export async function runEmbed(model: string, files: readonly string[], options: EmbedOptions): Promise<void> {
  if (!options.out.endsWith('.npy')) throw new ConfigError(`--out ${options.out}: expected a name ending in .npy`);
  const ref = parseModel(model, options.seed, options);
  const { modality } = await describeModel(ref);
  const items = await listItems(files, modality);
  const display = createDisplay(options.display);
  if (isNetwork(ref)) {
    const { useEngine } = await import('@unlabel/engine');
    const info = await useEngine(engineOptionsOf(options));
    display.line(`engine: ${info.engine} ${info.version} (${info.reason}), ${info.device}, ${info.threads} threads`);
  }
  if (modality === 'image') return embedImageFiles(await openImageModel(ref), items, options, display);
  const embedder = await openModel(ref);
  const progress = display.task(`embed with ${embedder.id}`, items.length, 'files');
  const rows: Float32Array[] = [];
  const timestamps: number[][] = [];
  const broken: string[] = [];
  for (let first = 0; first < items.length; first += clipsAtOnce) {
    const clips: Float32Array[] = [];
    for (const item of items.slice(first, first + clipsAtOnce)) {
      try {
        clips.push((await loadAudio(item.path, { sampleRate: embedder.sampleRate })).audio);
      } catch (error) {
        broken.push(messageOf(error));
      }
    }
    if (broken.length > 0) continue; // read on, to name every broken file at once
    if (options.timestamps) {
      if (!embedder.embedTimestamps) throw new ConfigError(`${embedder.id} has no timestamp embeddings.`);
      for (const clip of clips) {
        const { embeddings, timestamps: times } = await embedder.embedTimestamps(clip);
        rows.push(embeddings);
        timestamps.push([...times]);
      }
    } else rows.push(await embedder.embedScenes(clips));
    progress.update(Math.min(first + clipsAtOnce, items.length));
  }
  if (broken.length > 0)
    throw new DataError(`${broken.length} of ${items.length} files cannot be read; nothing was written.`, {
      faults: broken,
    });
  const width = options.timestamps ? embedder.timestampEmbeddingSize : embedder.sceneEmbeddingSize;
  const data = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    data.set(row, at);
    at += row.length;
  }
  await writeFileAtomic(options.out, encodeNpy({ data, shape: [data.length / width, width] }));
  await writeJsonAtomic(options.out.replace(/\.npy$/, '.json'), {
    model: embedder.id,
    fingerprint: embedder.fingerprint,
    sampleRate: embedder.sampleRate,
    files: items.map((item, i) => (options.timestamps ? { file: item.name, timestamps: timestamps[i] } : item.name)),
  });
  embedder.dispose?.();
  progress.finish(`[${data.length / width}, ${width}] → ${options.out}`);
  display.close();
}

async function embedImageFiles(
  embedder: ImageEmbedder,
  items: readonly Item[],
  { out, timestamps }: EmbedOptions,
  display: Display,
): Promise<void> {
  if (timestamps) throw new ConfigError(`${embedder.id}: images have no timestamps.`);
  const progress = display.task(`embed with ${embedder.id}`, items.length, 'images');
  const width = embedder.embeddingSize;
  const data = new Float32Array(items.length * width);
  const broken: string[] = [];
  for (let first = 0; first < items.length; first += clipsAtOnce) {
    const images: RgbImage[] = [];
    for (const item of items.slice(first, first + clipsAtOnce)) {
      try {
        images.push(await loadImage(item.path));
      } catch (error) {
        broken.push(messageOf(error));
      }
    }
    if (broken.length > 0) continue; // read on, to name every broken file at once
    data.set(await embedder.embedImages(images, 'center'), first * width);
    progress.update(Math.min(first + clipsAtOnce, items.length));
  }
  if (broken.length > 0)
    throw new DataError(`${broken.length} of ${items.length} files cannot be read; nothing was written.`, {
      faults: broken,
    });
  await writeFileAtomic(out, encodeNpy({ data, shape: [items.length, width] }));
  await writeJsonAtomic(out.replace(/\.npy$/, '.json'), {
    model: embedder.id,
    fingerprint: embedder.fingerprint,
    crop: 'center',
    files: items.map(({ name }) => name),
  });
  embedder.dispose?.();
  progress.finish(`[${items.length}, ${width}] → ${out}`);
  display.close();
}
