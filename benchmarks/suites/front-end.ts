/** Audio files to log-mel: decode, resample 44.1 → 16 kHz, 64 bands. */
import { mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodeWav, writeFileAtomic } from '@unlabel/formats';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const folder = join(tmpdir(), 'unlabel-bench-front-end');
const files = 16;
const seconds = 10;
const rate = 44100;

/** Mono 16-bit files of a gliding tone in noise: real audio and this cost the same. */
async function writeFiles(): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < files; i++) {
    const path = join(folder, `${String(i).padStart(2, '0')}.wav`);
    if (await stat(path).catch(() => undefined)) continue;
    const rng = createRng(i);
    const samples = Float32Array.from({ length: rate * seconds }, (_, n) => {
      const t = n / rate;
      return 0.4 * Math.sin(2 * Math.PI * (220 + 40 * i + 100 * t) * t) + 0.05 * rng.range(-1, 1);
    });
    await writeFileAtomic(path, encodeWav({ sampleRate: rate, channels: [samples] }));
  }
}

export const frontEnd: Suite = {
  name: 'front-end',
  description:
    `${files} mono 16-bit WAV files of ${seconds} s at 44.1 kHz → decode, resample to 16 kHz (torchaudio's default sinc kernel), ` +
    'log-mel (1024-point FFT, hop 160, 64 bands, 60–7800 Hz).',
  works: ['one-thread', 'all-cores'],
  amounts: {
    'one-thread': { amount: files * seconds, unit: 's of audio' },
    'all-cores': { amount: files * seconds, unit: 's of audio' },
  },
  repetitions: 10,
  prepare: writeFiles,
  contenders: async ({ python }) => [
    ours('front-end.ts', 'auto', [folder]),
    ...peer('torchaudio', 'front_end.py', python, [folder]),
  ],
};
