import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeWav, encodeWav, openWav, parseWavHeader } from './wav.ts';
import { parseSafetensors } from './safetensors.ts';

const fixtures = new URL('../fixtures/', import.meta.url);
const read = (name: string): Uint8Array => readFileSync(new URL(name, fixtures));
interface Case {
  file: string;
  sr: number;
  channels: number;
  frames: number;
  output: string;
}
const golden = JSON.parse(readFileSync(new URL('wav-decode.json', fixtures), 'utf8')) as { cases: Case[] };
const expected = parseSafetensors(read('wav-decode.safetensors'));
const wavs = golden.cases.filter((c) => c.file.endsWith('.wav'));

describe.each(wavs)('$file', (c) => {
  const want = expected.readFloat32(c.output);

  test('decodes to exactly what libsndfile gives', () => {
    const audio = decodeWav(read(c.file));
    expect([audio.sampleRate, audio.channels.length, audio.frames]).toEqual([c.sr, c.channels, c.frames]);
    audio.channels.forEach((channel, i) => {
      expect(channel).toEqual(want.data.slice(i * c.frames, (i + 1) * c.frames));
    });
  });

  test('gives the same samples when a segment is read from the file', async () => {
    const wav = await openWav(new URL(c.file, fixtures).pathname);
    const parts = await Promise.all([wav.read(0, 7), wav.read(7, c.frames - 8), wav.read(c.frames - 1, 1)]);
    expect(await wav.read(c.frames, 0)).toHaveLength(c.channels);
    await wav.close();
    for (let i = 0; i < c.channels; i++) {
      const joined = parts.flatMap((part) => [...part[i]!]);
      expect(Float32Array.from(joined)).toEqual(want.data.slice(i * c.frames, (i + 1) * c.frames));
    }
  });
});

describe('encodeWav', () => {
  const channels = [Float32Array.of(0, 0.5, -1, 1, -0.25), Float32Array.of(1 / 32768, -2, 0.3, 0.1, 0.7)];

  test('writes floats that come back unchanged', () => {
    const audio = decodeWav(encodeWav({ sampleRate: 22050, channels }, 'float32'));
    expect(audio).toEqual({ sampleRate: 22050, channels, frames: 5, encoding: 'float32' });
  });

  test('writes 16-bit samples rounded and clipped, and unchanged when decoded from 16 bits', () => {
    const bytes = encodeWav({ sampleRate: 8000, channels }, 'pcm16');
    const once = decodeWav(bytes);
    const scaled = once.channels.map((channel) => [...channel].map((x) => x * 32768));
    expect(scaled).toEqual([
      [0, 16384, -32768, 32767, -8192],
      [1, -32768, 9830, 3277, 22938],
    ]);
    expect(encodeWav(once, 'pcm16')).toEqual(bytes);
    expect(parseWavHeader(bytes).encoding).toBe('pcm16');
  });
});
