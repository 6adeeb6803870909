import { DataError } from '@unlabel/core';
import { expect, test } from 'vitest';
import { generators as g, oggSeconds, parseSoundFont } from './sf3.ts';
import { fakeOgg, fakeSoundFont, type FakeSoundFont } from './testing.ts';

const range = (low: number, high: number): number => low + 256 * high;
const font: FakeSoundFont = {
  samples: [
    { name: 'one', ogg: fakeOgg(44100, 1), key: 61 },
    { name: 'two', ogg: fakeOgg(32000, 0.75), rate: 32000 },
    { name: 'bad', ogg: Buffer.from('no Ogg stream') },
  ],
  instruments: [
    [
      { generators: { [g.overridingRootKey]: 50, [g.coarseTune]: -12 } }, // global
      { generators: { [g.keyRange]: range(0, 59) }, target: 0 },
      { generators: { [g.keyRange]: range(60, 127), [g.overridingRootKey]: 72, [g.coarseTune]: 0 }, target: 1 },
      { generators: { [g.overridingRootKey]: 1 } }, // neither first nor with a sample: ignored
    ],
    [{ target: 0 }, { target: 2 }],
  ],
  presets: [
    { name: 'Piano', bank: 0, program: 0, zones: [{ target: 0 }] },
    {
      name: 'Split',
      bank: 8,
      program: 5,
      zones: [{ generators: { [g.keyRange]: range(40, 70), [g.coarseTune]: 1 } }, { target: 0 }, { target: 1 }],
    },
  ],
};

test('reads presets, zones with inherited generators, key ranges cut with the preset’s, and samples', () => {
  const { presets, samples, info } = parseSoundFont(fakeSoundFont(font), 'tiny');
  expect(info['INAM']).toBe('tiny');
  expect(samples.map(({ name, sampleRate, originalKey }) => [name, sampleRate, originalKey])).toEqual([
    ['one', 44100, 61],
    ['two', 32000, 60],
    ['bad', 44100, 60],
  ]);
  expect(Buffer.from(samples[0]!.ogg).equals(fakeOgg(44100, 1))).toBe(true);
  expect(samples[2]!.ogg).toHaveLength(0);
  expect(presets.map(({ name, bank, program }) => [name, bank, program])).toEqual([
    ['Piano', 0, 0],
    ['Split', 8, 5],
  ]);
  expect(presets[0]!.regions).toEqual([
    { sample: 0, keyLow: 0, keyHigh: 59, rootKey: 50, coarseTune: -12, fineTune: 0 },
    { sample: 1, keyLow: 60, keyHigh: 127, rootKey: 72, coarseTune: 0, fineTune: 0 },
  ]);
  expect(presets[1]!.regions).toEqual([
    { sample: 0, keyLow: 40, keyHigh: 59, rootKey: 50, coarseTune: -11, fineTune: 0 },
    { sample: 1, keyLow: 60, keyHigh: 70, rootKey: 72, coarseTune: 1, fineTune: 0 },
    { sample: 0, keyLow: 40, keyHigh: 70, rootKey: 61, coarseTune: 1, fineTune: 0 },
    { sample: 2, keyLow: 40, keyHigh: 70, rootKey: 60, coarseTune: 1, fineTune: 0 },
  ]);
});

test('finds the next chunk after an odd one, with and without the pad byte', () => {
  const odd = { ...font, samples: [...font.samples.slice(0, 2), { name: 'bad', ogg: Buffer.from('odd number of') }] };
  const total = odd.samples.reduce((sum, { ogg }) => sum + ogg.length, 0);
  expect(total % 2).toBe(1);
  const padded = parseSoundFont(fakeSoundFont(odd), 'padded');
  expect(parseSoundFont(fakeSoundFont({ ...odd, isUnpadded: true }), 'unpadded')).toEqual(padded);
});

test('gives the duration of an Ogg stream without decoding it', () => {
  expect(oggSeconds(fakeOgg(44100, 1.25))).toBe(1.25);
  expect(oggSeconds(Buffer.from('OggS'))).toBe(0);
  expect(oggSeconds(new Uint8Array(0))).toBe(0);
});

test('names what is wrong with a file that is no sound font, cut short, or points outside its tables', () => {
  expect(() => parseSoundFont(Buffer.from('MThd'), 'x.sf3')).toThrow(/x\.sf3: expected a SoundFont/);
  const bytes = fakeSoundFont(font);
  expect(() => parseSoundFont(bytes.subarray(0, bytes.length - 20), 'x.sf3')).toThrow(/cut short or broken/);
  const outside = {
    ...font,
    instruments: [[{ target: 9 }]],
    presets: [{ ...font.presets[0]!, zones: [{ target: 0 }] }],
  };
  expect(() => parseSoundFont(fakeSoundFont(outside), 'x.sf3')).toThrow(/sample 9 is not among the 3/);
  const nowhere = { ...font, presets: [{ ...font.presets[0]!, zones: [{ target: 7 }] }] };
  expect(() => parseSoundFont(fakeSoundFont(nowhere), 'x.sf3')).toThrow(/instrument 7 is not among the 2/);
});

test('meets any damage with a DataError or a sound font, never another error', () => {
  const bytes = fakeSoundFont(font);
  const parse = (damaged: Uint8Array): void => {
    try {
      for (const { ogg } of parseSoundFont(damaged, 'damaged').samples) oggSeconds(ogg);
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
    }
  };
  for (let length = 0; length < bytes.length; length += 7) parse(bytes.subarray(0, length));
  for (let at = 0; at < bytes.length; at += 3) {
    for (const value of [0, 0x7f, 0xff]) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = value;
      parse(damaged);
    }
  }
});
