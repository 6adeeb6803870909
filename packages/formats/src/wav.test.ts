import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { parseSafetensors } from './safetensors.ts';
import { damage, fixture, fixtureJson, fixturePath, outcome } from './testing.ts';
import { decodeWav, encodeWav, openWav, parseWavHeader } from './wav.ts';

interface Case {
  file: string;
  sr: number;
  channels: number;
  frames: number;
  output: string;
}
const golden = fixtureJson('wav-decode.json') as { cases: Case[] };
const expected = parseSafetensors(fixture('wav-decode.safetensors'));
const wavs = golden.cases.filter((c) => c.file.endsWith('.wav'));

describe.each(wavs)('$file', (c) => {
  const want = expected.readFloat32(c.output);

  test('decodes to exactly what libsndfile gives', () => {
    const audio = decodeWav(fixture(c.file));
    expect([audio.sampleRate, audio.channels.length, audio.frames]).toEqual([c.sr, c.channels, c.frames]);
    audio.channels.forEach((channel, i) => {
      expect(channel).toEqual(want.data.slice(i * c.frames, (i + 1) * c.frames));
    });
  });

  test('gives the same samples when a segment is read from the file', async () => {
    const wav = await openWav(fixturePath(c.file));
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

  test('refuses what a WAV file cannot hold', () => {
    const refused = [
      { sampleRate: 8000, channels: [] },
      { sampleRate: 8000.5, channels },
      { sampleRate: 8000, channels: [new Float32Array(2), new Float32Array(3)] },
      { sampleRate: 8000, channels: [Float32Array.of(NaN)] },
    ];
    for (const audio of refused) expect(() => encodeWav(audio, 'pcm16')).toThrow(/^encodeWav: /);
  });
});

describe('a header that cannot be', () => {
  const good = fixture('wav/stereo_pcm16.wav'); // fmt at 12, data at 36
  const changed = (edit: (view: DataView, bytes: Uint8Array) => void): Uint8Array => {
    const bytes = good.slice();
    edit(new DataView(bytes.buffer), bytes);
    return bytes;
  };
  const chunk = (id: string, size: number): number[] => [...new TextEncoder().encode(id), size & 255, size >> 8, 0, 0];
  const endless = Uint8Array.from([
    ...good.subarray(0, 12),
    ...Array.from({ length: 5000 }, () => chunk('none', 0)).flat(),
  ]);

  test.each<[string, Uint8Array, RegExp]>([
    ['is empty', new Uint8Array(0), /found 0 bytes/],
    ['is of another format', changed((_, b) => b.set([0x50, 0x4b])), /expected a WAV file/],
    ['is big-endian', changed((_, b) => b.set([0x52, 0x49, 0x46, 0x58])), /RIFX/],
    ['has no channels', changed((v) => v.setUint16(22, 0, true)), /0 channels/],
    ['has thousands of channels', changed((v) => v.setUint16(22, 65535, true)), /65535 channels/],
    ['has a rate of 0', changed((v) => v.setUint32(24, 0, true)), /0 Hz/],
    ['has an absurd rate', changed((v) => v.setUint32(24, 0xffffffff, true)), /4294967295 Hz/],
    ['lies about the bytes of a frame', changed((v) => v.setUint16(32, 1, true)), /1 bytes a frame/],
    ['has 0 bytes a frame', changed((v) => v.setUint16(32, 0, true)), /0 bytes a frame/],
    ['is of an unknown encoding', changed((v) => v.setUint16(20, 2, true)), /format 0x0002/],
    ['has floats of 16 bits', changed((v) => v.setUint16(20, 3, true)), /format 0x0003 with 16 bits/],
    ['has a chunk beyond its end', changed((v) => v.setUint32(16, 0x7ffffff0, true)), /"fmt " at byte 12 states/],
    ['has a tiny fmt chunk', changed((v) => v.setUint32(16, 4, true)), /fmt chunk has 4 bytes/],
    ['states more samples than it has', changed((v) => v.setUint32(40, 5000, true)), /truncated.*5000.*4000/],
    ['is cut', good.slice(0, 2000), /truncated/],
    ['ends within the fmt chunk', good.slice(0, 30), /states 16 bytes, the file has 10 left/],
    ['ends before the samples', good.slice(0, 36), /no data chunk/],
    [
      'has samples before the format',
      Uint8Array.from([...good.subarray(0, 12), ...good.subarray(36)]),
      /before its fmt/,
    ],
    ['has two formats', Uint8Array.from([...good.subarray(0, 36), ...good.subarray(12)]), /two fmt chunks/],
    ['has endless chunks', endless, /first 1024 chunks/],
    [
      'is RF64 without its sizes',
      changed((v, b) => (b.set([0x52, 0x46, 0x36, 0x34]), v.setUint32(40, -1, true))),
      /ds64/,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => decodeWav(bytes, 'x.wav')).toThrow(message);
    expect(() => decodeWav(bytes, 'x.wav')).toThrow(/^x\.wav: /);
  });

  test('is not needed for a stream of unknown size: whole frames are read as far as they go', () => {
    const stream = fixture('wav/stream_unknown_size.wav');
    expect(parseWavHeader(stream.slice(0, stream.length - 3)).frames).toBe(298);
    const soxStyle = changed((v) => v.setUint32(40, 0x7ffff000, true));
    expect(parseWavHeader(soxStyle).frames).toBe(1000);
    const unfinished = changed((v) => (v.setUint32(4, 0, true), v.setUint32(40, 0, true)));
    expect(parseWavHeader(unfinished).frames).toBe(1000);
  });
});

describe('openWav', () => {
  test('refuses segments beyond the file and files that are not there', async () => {
    const wav = await openWav(fixturePath('wav/mono_pcm_16.wav'));
    for (const [start, frames] of [
      [-1, 2],
      [999, 2],
      [0.5, 1],
      [0, NaN],
      [0, 2 ** 40],
    ] as const) {
      await expect(wav.read(start, frames)).rejects.toThrow(/frames .* were asked for, it has 1000/);
    }
    await wav.close();
    await expect(openWav('/nowhere/x.wav')).rejects.toThrow(/\/nowhere\/x\.wav: the file could not be opened/);
  });
});

test('every damaged golden file is read or refused with a DataError, quickly', async () => {
  const rng = createRng(1);
  const counts = { read: 0, refused: 0 };
  const start = performance.now();
  for (const { file } of wavs) {
    for (let i = 0; i < 300; i++)
      counts[await outcome(() => decodeWav(damage(fixture(file), rng.fork(`${file} ${i}`))))]++;
  }
  expect(counts.read).toBeGreaterThan(500);
  expect(counts.refused).toBeGreaterThan(500);
  expect(performance.now() - start).toBeLessThan(20_000);
});
