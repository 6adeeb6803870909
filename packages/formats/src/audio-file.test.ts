import { createRng } from '@unlabel/core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodeAudio, decodeAudioFile, openAudio } from './audio-file.ts';
import { parseSafetensors } from './safetensors.ts';
import { damage, fixture, fixtureJson, fixturePath, outcome } from './testing.ts';

interface Case {
  file: string;
  sampleRate: number;
  channels: number;
  written: number;
}
const cases = fixtureJson('codecs.json') as Case[];
const expected = parseSafetensors(fixture('codecs.safetensors'));
const isLossy = (file: string): boolean => /mp3|ogg/.test(file);

describe.each(cases)('$file', (c) => {
  test('decodes to what libsndfile gives, whatever the name says', async () => {
    const audio = await decodeAudio(fixture(`codecs/${c.file}`), 'anything.bin');
    expect([audio.sampleRate, audio.channels.length, audio.frames]).toEqual([c.sampleRate, c.channels, c.written]);
    const { data, shape } = expected.readFloat32(c.file);
    let worst = 0;
    audio.channels.forEach((channel, i) => {
      channel.forEach((x, j) => (worst = Math.max(worst, Math.abs(x - data[i * shape[1]! + j]!))));
    });
    // libsndfile runs SIMD builds of the same decoders, which sum in another order: 1.7e-6 measured for mpg123.
    expect(worst).toBeLessThanOrEqual(isLossy(c.file) ? 4e-6 : 0);
  });
});

test.each(['tone.flac', 'tone_mono24.flac'])('%s equals the golden samples exactly', async (file) => {
  const audio = await decodeAudio(fixture(`wav/${file}`), file);
  const want = parseSafetensors(fixture('wav-decode.safetensors')).readFloat32(file);
  audio.channels.forEach((channel, i) => {
    expect(channel).toEqual(want.data.slice(i * audio.frames, (i + 1) * audio.frames));
  });
});

test('decodes files of one format one after another, in any order of arrival', async () => {
  const files = ['mono.mp3', 'stereo.mp3', 'mono.ogg', 'stereo.ogg', 'mono.mp3', 'mono.ogg'];
  const all = await Promise.all(files.map((file) => decodeAudio(fixture(`codecs/${file}`), file)));
  for (const [i, file] of files.entries()) expect(all[i]).toEqual(await decodeAudio(fixture(`codecs/${file}`), file));
});

describe('a damaged file', () => {
  test.each(cases.map((c) => c.file))(
    '%s is read or refused with a DataError, and the next file is fine',
    async (file) => {
      const bytes = fixture(`codecs/${file}`);
      const rng = createRng(2);
      const counts = { read: 0, refused: 0 };
      const start = performance.now();
      for (let i = 0; i < (isLossy(file) ? 40 : 80); i++) {
        counts[await outcome(() => decodeAudio(damage(bytes, rng.fork(i)), file))]++;
      }
      expect(counts.refused).toBeGreaterThan(0);
      expect(performance.now() - start).toBeLessThan(20_000);
      expect((await decodeAudio(bytes, file)).frames).toBe(cases.find((c) => c.file === file)!.written);
    },
  );

  test.each(cases.map((c) => c.file))('%s is refused when it is cut short, by its name', async (file) => {
    const bytes = fixture(`codecs/${file}`);
    await expect(decodeAudio(bytes.slice(0, bytes.length >> 1), file)).rejects.toThrow(new RegExp(`^${file}: `));
  });

  test('is refused where a FLAC or Ogg checksum does not match', async () => {
    for (const file of ['stereo16.flac', 'stereo.ogg']) {
      const bytes = fixture(`codecs/${file}`);
      bytes[bytes.length - 100]! ^= 4;
      await expect(decodeAudio(bytes, file)).rejects.toThrow(/damaged/);
    }
  });

  test('of a few bytes cannot claim gigabytes', async () => {
    const flac = fixture('codecs/mono8.flac');
    flac.set(
      [0x0f, 0xff, 0xff, 0xff, 0xff].map((x, i) => (i === 0 ? (flac[21]! & 0xf0) | x : x)),
      21,
    );
    await expect(decodeAudio(flac, 'x.flac')).rejects.toThrow(/too long/);
    const aiff = fixture('codecs/mono24.aiff');
    new DataView(aiff.buffer).setUint32(22, 0xfffffff0);
    await expect(decodeAudio(aiff, 'x.aiff')).rejects.toThrow(/truncated/);
  });
});

test('names the formats that are read when it meets another', async () => {
  await expect(decodeAudio(new TextEncoder().encode('<html><body>'), 'page.wav')).rejects.toThrow(
    /^page\.wav: expected WAV, FLAC, MP3, Ogg Vorbis or AIFF, found a file that starts with "<htm"/,
  );
  await expect(decodeAudio(new Uint8Array(2), 'x')).rejects.toThrow(/2 bytes/);
});

describe('openAudio', () => {
  test.each(['codecs/stereo16.flac', 'codecs/stereo.mp3', 'wav/stereo_pcm16.wav'])(
    'reads segments of %s',
    async (file) => {
      const whole = await decodeAudioFile(fixturePath(file));
      const reader = await openAudio(fixturePath(file));
      expect(reader.info).toMatchObject({ sampleRate: 44100, channels: 2, frames: whole.frames });
      const part = await reader.read(123, 456);
      expect(part).toEqual(whole.channels.map((channel) => channel.slice(123, 579)));
      await expect(reader.read(whole.frames, 1)).rejects.toThrow(/asked for/);
      await reader.close();
    },
  );

  test('refuses folders and empty files by name', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'formats-'));
    await writeFile(join(dir, 'empty.mp3'), '');
    await expect(openAudio(dir)).rejects.toThrow(/not a regular file/);
    await expect(openAudio(join(dir, 'empty.mp3'))).rejects.toThrow(
      /empty\.mp3: expected an audio file, found 0 bytes/,
    );
    await rm(dir, { recursive: true });
  });
});
