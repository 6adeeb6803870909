/** Embedding files for a user: what `unlabel embed` does. */
import { loadAudio } from '@unlabel/audio';
import { ConfigError, messageOf, DataError } from '@unlabel/core';
import { encodeNpy, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import type { EmbedOptions } from '../commands/embed.ts';
import { createDisplay } from '../display/display.ts';
import { engineOptionsOf } from '../options.ts';
import { listItems } from '../pretrain/items.ts';
import { openModel, parseModel } from './resolve.ts';

/** Clips handed to the model at once. */
const clipsAtOnce = 32;

export async function runEmbed(model: string, files: readonly string[], options: EmbedOptions): Promise<void> {
  if (!options.out.endsWith('.npy')) throw new ConfigError(`--out ${options.out}: expected a name ending in .npy`);
  const ref = parseModel(model, options.seed, options);
  const items = await listItems(files);
  const display = createDisplay(options.display);
  if (ref.kind === 'directory' || ref.kind === 'random') {
    const { useEngine } = await import('@unlabel/engine');
    const info = await useEngine(engineOptionsOf(options));
    display.line(`engine: ${info.engine} ${info.version} (${info.reason}), ${info.device}, ${info.threads} threads`);
  }
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
