/** Small generated scenes for tests: noise or a tone that moves, and the disc where it is. */
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { renderScene } from '@unlabel/data';
import { encodeNpy, encodeWav, writeFileAtomic } from '@unlabel/formats';

export interface SceneFiles {
  readonly count: number;
  readonly seconds: number;
  readonly sampleRate?: number;
}

const classes = ['noise', 'tone'];

/** Write `count` scenes to `dir` as `unlabel data build binaural` lays them out, indexed by `<split>.jsonl`. */
export async function writeScenes(
  dir: string,
  { count, seconds, sampleRate = 8000 }: SceneFiles,
  splits: readonly string[] = ['train'],
): Promise<void> {
  for (const split of splits) {
    const lines: string[] = [];
    for (let i = 0; i < count; i++) {
      const rng = createRng(3000).fork(split).fork(i);
      const sound = Float32Array.from({ length: sampleRate }, (_, n) =>
        i % 2 === 0 ? rng.normal() : Math.sin(0.4 * n),
      );
      const options = { sampleRate, seconds, speed: 40, frameRate: 5, size: [8, 16] } as const;
      const { audio, turned, frames } = renderScene(sound, (i % 2) / 2, rng, options);
      const name = `${split}/${i}`;
      for (const [path, { data }] of [
        [name, audio],
        [`turned/${name}`, turned],
      ] as const) {
        const channels = [data.subarray(0, data.length / 2), data.subarray(data.length / 2)];
        await writeFileAtomic(join(dir, `${path}.wav`), encodeWav({ sampleRate, channels }));
      }
      const bytes = Uint8Array.from(frames.data, (value) => Math.round(255 * value));
      await writeFileAtomic(join(dir, `${name}.npy`), encodeNpy({ data: bytes, shape: frames.shape }));
      const line = {
        file: `${name}.wav`,
        frames: `${name}.npy`,
        turned: `turned/${name}.wav`,
        labels: [classes[i % 2]],
      };
      lines.push(`${JSON.stringify(line)}\n`);
    }
    await writeFileAtomic(join(dir, `${split}.jsonl`), lines.join(''));
  }
  await writeFileAtomic(join(dir, 'card.json'), JSON.stringify({ classes }));
}
