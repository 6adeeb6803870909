/** Synthetic sound fonts, Ogg pages and sample packages for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { oggCrc } from './cut-stream.ts';
import { sonicPiPackage, toneJsPackage, toneJsVersions } from './packages.ts';

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const join2 = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);
export const u16 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => bytes.writeUInt16LE(value & 0xffff, 2 * i));
  return bytes;
};
export const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, 4 * i));
  return bytes;
};
const named = (name: string, size = 20): Buffer => join2(ascii(name), Buffer.alloc(size - name.length));

/** One Ogg page holding `body` in one packet. */
export function oggPage(body: Uint8Array, granule: number, sequence: number, flags: number): Buffer {
  const lacing = Buffer.alloc(Math.floor(body.length / 255) + 1, 255);
  lacing[lacing.length - 1] = body.length % 255;
  const head = join2(
    ascii('OggS'),
    Buffer.from([0, flags]),
    u32(granule, 0, 7, sequence, 0),
    Buffer.from([lacing.length]),
  );
  const page = join2(head, lacing, body);
  page.writeUInt32LE(oggCrc(page), 22);
  return page;
}

/** Pages shaped like a Vorbis stream of `seconds` at `rate`, half a second a page. The packets are no Vorbis. */
export function fakeOgg(rate: number, seconds: number): Buffer {
  const identification = join2(
    Buffer.from([1]),
    ascii('vorbis'),
    u32(0),
    Buffer.from([1]),
    u32(rate, 0, 0, 0),
    Buffer.from([0xb8, 1]),
  );
  const count = Math.ceil(seconds * 2);
  const pages = Array.from({ length: count }, (_, i) =>
    oggPage(Buffer.alloc(300, i), Math.round(Math.min(seconds, (i + 1) / 2) * rate), i + 1, i + 1 === count ? 4 : 0),
  );
  return join2(oggPage(identification, 0, 0, 2), ...pages);
}

export interface FakeZone {
  /** Instrument of a preset zone, sample of an instrument zone; left out for a global zone. */
  readonly target?: number;
  /** Generator → 16-bit amount. */
  readonly generators?: Readonly<Record<number, number>>;
}
export interface FakeSoundFont {
  readonly samples: readonly {
    readonly name: string;
    readonly ogg: Uint8Array;
    readonly rate?: number;
    readonly key?: number;
  }[];
  readonly instruments: readonly (readonly FakeZone[])[];
  readonly presets: readonly {
    readonly name: string;
    readonly bank: number;
    readonly program: number;
    readonly zones: readonly FakeZone[];
  }[];
  /** Leave out the byte that RIFF puts after an odd chunk. */
  readonly isUnpadded?: boolean;
}

/** The bytes of a SoundFont 3 file. */
export function fakeSoundFont(font: FakeSoundFont): Buffer {
  const chunk = (id: string, body: Uint8Array): Buffer =>
    join2(ascii(id), u32(body.length), body, Buffer.alloc(body.length % 2 === 1 && !font.isUnpadded ? 1 : 0));
  const list = (kind: string, ...chunks: readonly Buffer[]): Buffer => chunk('LIST', join2(ascii(kind), ...chunks));
  const zones = (
    owners: readonly (readonly FakeZone[])[],
    target: number,
  ): { firsts: number[]; bag: Buffer; gen: Buffer } => {
    const firsts: number[] = [];
    const bags: Buffer[] = [];
    const gens: Buffer[] = [];
    for (const owner of owners) {
      firsts.push(bags.length);
      for (const zone of owner) {
        bags.push(u16(gens.length, 0));
        for (const [id, amount] of Object.entries(zone.generators ?? {})) gens.push(u16(Number(id), amount));
        if (zone.target !== undefined) gens.push(u16(target, zone.target));
      }
    }
    firsts.push(bags.length);
    bags.push(u16(gens.length, 0));
    gens.push(u16(0, 0));
    return { firsts, bag: join2(...bags), gen: join2(...gens) };
  };
  const presets = zones(
    font.presets.map(({ zones: own }) => own),
    41,
  );
  const instruments = zones(font.instruments, 53);
  let at = 0;
  const shdr = font.samples.map(({ name, ogg, rate = 44100, key = 60 }) => {
    const start = at;
    at += ogg.length;
    return join2(named(name), u32(start, at, 0, 0, rate), Buffer.from([key, 0]), u16(0, 0x11));
  });
  const phdr = [...font.presets, { name: 'EOP', bank: 0, program: 0 }].map(({ name, bank, program }, i) =>
    join2(named(name), u16(program, bank, presets.firsts[i]!), u32(0, 0, 0)),
  );
  const inst = [...font.instruments, []].map((_, i) => join2(named(`i${i}`), u16(instruments.firsts[i]!)));
  const pdta = list(
    'pdta',
    chunk('phdr', join2(...phdr)),
    chunk('pbag', presets.bag),
    chunk('pgen', presets.gen),
    chunk('inst', join2(...inst)),
    chunk('ibag', instruments.bag),
    chunk('igen', instruments.gen),
    chunk('shdr', join2(...shdr, join2(named('EOS'), Buffer.alloc(26)))),
  );
  const info = list('INFO', chunk('ifil', u16(3, 1)), chunk('INAM', ascii('tiny\0')));
  const sdta = list('sdta', chunk('smpl', join2(...font.samples.map(({ ogg }) => ogg))));
  const body = join2(ascii('sfbk'), info, sdta, pdta);
  return join2(ascii('RIFF'), u32(body.length), body);
}

const sonicPiStems = [
  ...['choir', 'drone', 'sauna', 'piano', 'swoosh'].map((name) => `ambi_${name}`),
  ...['ada', 'gas', 'tek', 'fat', 'zum', 'pure'].map((name) => `bd_${name}`),
  ...['dub', 'dolf', 'zome', 'generic', 'x'].map((name) => `sn_${name}`),
  ...['cab', 'gem', 'len', 'raw', 'sci'].map((name) => `hat_${name}`),
  ...['ke', 'na', 're', 'te', 'tun'].map((name) => `tabla_${name}1`),
  ...['door', 'till', 'swash', 'snap', 'bell'].map((name) => `perc_${name}`),
  ...['hit_c', 'dnb_f', 'drop_x', 'thick_y', 'trance_z'].map((name) => `bass_${name}`),
  ...['a', 'b', 'c', 'd', 'e'].map((name) => `loop_${name}`),
  ...['beep', 'bell', 'pop', 'tick', 'wood'].map((name) => `elec_${name}`),
  'guit_em9',
];

/**
 * A `node_modules` with stand-ins for the Sonic Pi and ToneJS packages: WAV files under their names, which decoders tell by
 * their bytes. @returns where to look for packages from
 */
export function fakePackages(root: string): string {
  const put = (name: string, version: string, files: readonly string[], readme?: string): void => {
    const folder = join(root, 'node_modules', name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }));
    if (readme !== undefined) writeFileSync(join(folder, readme), 'where these are from\n');
    for (const file of files) {
      const rng = createRng(3).fork(`${name}/${file}`);
      const samples = Float32Array.from({ length: 2205 + rng.int(4410) }, () => rng.range(-0.4, 0.4));
      mkdirSync(join(folder, file, '..'), { recursive: true });
      writeFileSync(join(folder, file), encodeWav({ sampleRate: 22050, channels: [samples] }));
    }
  };
  put(
    sonicPiPackage.name,
    sonicPiPackage.version,
    sonicPiStems.map((stem) => `samples/${stem}.flac`),
    'PROVENANCE.md',
  );
  for (const instrument of Object.keys(toneJsVersions)) {
    const { name, version } = toneJsPackage(instrument);
    put(
      name,
      version,
      ['A2', 'C3', 'Ds3', 'Fs4', 'G5'].map((note) => `${note}.mp3`),
    );
  }
  return root;
}
