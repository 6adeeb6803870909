import { createRng } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { expect, test } from 'vitest';
import { activeRegion, cutWithFade, limitPeak, mixInto, peak, rms, tile } from './compose.ts';
import { cutMp3, cutOgg, oggCrc } from './cut-stream.ts';
import { sampleRate, toPcm16, wavBytes } from './render.ts';
import { oggSeconds } from './sf3.ts';
import { fakeOgg } from './testing.ts';

const rng = createRng(2);
const noise = Float32Array.from({ length: 5000 }, () => rng.range(-1.3, 1.3));

test('writes the bytes of encodeWav, clipping and halves included', () => {
  const samples = Float32Array.from([...noise, 0.5 / 32768, -0.5 / 32768, 1.5 / 32768, 2, -2, 0, -0]);
  expect(wavBytes(toPcm16(samples), samples.length)).toEqual(encodeWav({ sampleRate, channels: [samples] }));
});

test('cuts a clip, or pads it with zeros at its end', () => {
  const pcm = toPcm16(noise.subarray(0, 100));
  expect(wavBytes(pcm, 60)).toEqual(encodeWav({ sampleRate, channels: [noise.subarray(0, 60)] }));
  const padded = new Float32Array(150);
  padded.set(noise.subarray(0, 100));
  expect(wavBytes(pcm, 150)).toEqual(encodeWav({ sampleRate, channels: [padded] }));
});

test('cuts an Ogg stream after the page that reaches the time, and ends it there', () => {
  const whole = fakeOgg(44100, 4);
  const cut = cutOgg(whole, 1.2);
  expect(oggSeconds(cut)).toBe(1.5);
  expect(cut.length).toBeLessThan(whole.length / 2);
  const last = Buffer.from(cut.subarray(Buffer.from(cut).lastIndexOf('OggS')));
  expect(last[5]! & 4).toBe(4);
  const stated = last.readUInt32LE(22);
  last.fill(0, 22, 26);
  expect(stated).toBe(oggCrc(last));
  expect(whole).toEqual(fakeOgg(44100, 4)); // the file in memory stays as it was
  expect(cutOgg(whole, 9)).toBe(whole);
  expect(cutOgg(noise as unknown as Uint8Array, 1)).toBe(noise); // not Ogg: given back
});

/** Frames of 128 kbit/s at 44.1 kHz: 417 bytes and a padding byte in some. */
const mp3 = (frames: number, tag = ''): Buffer =>
  Buffer.concat(
    Array.from({ length: frames }, (_, i) => {
      const frame = Buffer.alloc(417 + (i % 2), 0x55);
      frame.set([0xff, 0xfb, 0x90 | ((i % 2) << 1), 0x64]);
      if (i === 0) frame.write(tag, 36, 'latin1');
      return frame;
    }),
  );

test('cuts an MP3 after two frames more than the time, past an ID3 tag', () => {
  const frames = Math.ceil((0.5 * 44100 + 2 * 1152) / 1152);
  expect(cutMp3(mp3(100), 0.5)).toEqual(mp3(frames));
  const id3 = Buffer.concat([Buffer.from('ID3\u0004\0\0\0\0\u0001\u0005', 'latin1'), Buffer.alloc(133)]);
  expect(cutMp3(Buffer.concat([id3, mp3(100)]), 0.5)).toEqual(Buffer.concat([id3, mp3(frames)]));
});

test('leaves an MP3 alone that states its length, is short, or is none', () => {
  for (const whole of [mp3(100, 'Xing'), mp3(100, 'Info'), mp3(5), Buffer.from('RIFF....WAVE')]) {
    expect(cutMp3(whole, 0.5)).toBe(whole);
  }
});

test('finds where a sound is, and its level', () => {
  const samples = Float32Array.from([0, 0.01, 0.5, -1, 0.3, 0.04, 0]);
  expect(activeRegion(samples, 0.05)).toEqual([2, 5]);
  expect(activeRegion(new Float32Array(4), 0.05)).toEqual([0, 0]);
  expect(peak(samples)).toBe(1);
  expect(rms(Float32Array.from([3, 4, 0, 0]))).toBe(2.5);
  expect(rms(new Float32Array(0))).toBe(0);
});

test('mixes at a place, dropping what falls outside, and lowers peaks', () => {
  const target = new Float32Array(4);
  mixInto(target, Float32Array.from([1, 2, 3]), 2, 0.5);
  mixInto(target, Float32Array.from([1, 2, 3]), -2, 1);
  expect([...target]).toEqual([3, 0, 0.5, 1]);
  limitPeak(target, 1.5);
  expect([...target]).toEqual([1.5, 0, 0.25, 0.5]);
  limitPeak(target, 9);
  expect([...target]).toEqual([1.5, 0, 0.25, 0.5]);
});

test('repeats a bed without gaps: a constant stays constant through the cross-fades', () => {
  const bed = tile(new Float32Array(50).fill(1), 400, 17, 10);
  for (const x of bed) expect(x).toBeCloseTo(1, 5);
});

test('fades what it cuts and nothing else', () => {
  const cut = cutWithFade(new Float32Array(100).fill(1), 50, 10);
  expect(cut).toHaveLength(50);
  expect(cut[39]).toBe(1);
  expect(cut[49]).toBe(0);
  const short = new Float32Array(10);
  expect(cutWithFade(short, 50, 10)).toBe(short);
});
