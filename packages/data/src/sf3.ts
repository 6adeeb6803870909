/**
 * SoundFont 3 reader: presets, instruments, their zones with inherited generators, and the recordings, each an Ogg Vorbis
 * stream. From the public SoundFont 2.04 specification (§7 records, §8.1 generators, §9.4 inheritance); SF3 replaces the
 * 16-bit samples by one Ogg stream a recording, sets bit 4 of the sample type, and its shdr start and end are byte offsets
 * into `smpl`.
 */
import { DataError } from '@unlabel/core';
import { readSoundFontChunks } from './sf3-chunks.ts';

/** Generator numbers used here (specification §8.1.2). */
export const generators = {
  instrument: 41,
  keyRange: 43,
  velRange: 44,
  coarseTune: 51,
  fineTune: 52,
  sampleId: 53,
  overridingRootKey: 58,
} as const;

export interface SoundFontSample {
  readonly index: number;
  readonly name: string;
  /** Hz. */
  readonly sampleRate: number;
  /** MIDI key the header states; often wrong in Fluid, where zones override it. 255 = unpitched. */
  readonly originalKey: number;
  /** Cents. */
  readonly pitchCorrection: number;
  /** The Ogg Vorbis stream, a view into the file; empty when the header points outside the file or at other bytes. */
  readonly ogg: Uint8Array;
}

/** A sample as one preset plays it: the instrument zone's generators over the instrument's global zone. */
export interface SoundFontRegion {
  readonly sample: number;
  /** MIDI keys, both inclusive: the preset zone's range cut with the instrument zone's. */
  readonly keyLow: number;
  readonly keyHigh: number;
  /** True key of the recording: generator 58 where it is set, the sample header otherwise. */
  readonly rootKey: number;
  /** Semitones and cents by which the zone retunes the recording. */
  readonly coarseTune: number;
  readonly fineTune: number;
}

export interface SoundFontPreset {
  readonly name: string;
  /** GM program 0…127. */
  readonly program: number;
  /** 0 melodic, 128 drum kits. */
  readonly bank: number;
  readonly regions: readonly SoundFontRegion[];
}

export interface SoundFont {
  readonly info: Readonly<Record<string, string>>;
  readonly samples: readonly SoundFontSample[];
  /** In the file's order. */
  readonly presets: readonly SoundFontPreset[];
}

type Zone = ReadonlyMap<number, number>;
/** Zones of one preset or instrument; each already carries what the global zone sets. */
type Zones = readonly Zone[];

class Records {
  readonly view: DataView;
  readonly count: number;
  readonly #bytes: Uint8Array;
  readonly size: number;

  /** `terminal`: the last record only marks the end (all tables of pdta have one). */
  constructor(bytes: Uint8Array, size: number, where: string) {
    if (bytes.length % size !== 0 || bytes.length < size) {
      throw new DataError(`${where}: has ${bytes.length} bytes, expected a multiple of ${size} with a final record`);
    }
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.size = size;
    this.count = bytes.length / size - 1;
  }

  u16(record: number, field: number): number {
    return this.view.getUint16(record * this.size + field, true);
  }

  u32(record: number, field: number): number {
    return this.view.getUint32(record * this.size + field, true);
  }

  name(record: number): string {
    const start = record * this.size;
    return new TextDecoder('latin1')
      .decode(this.#bytes.subarray(start, start + 20))
      .split('\0')[0]!
      .trim();
  }
}

/**
 * Generators of the zones of one owner. A zone without `target` (the instrument or sample generator) is the global zone when
 * it comes first (its generators are defaults for the others), and is ignored elsewhere (specification §7.3, §7.7).
 */
function readZones(bags: Records, gens: Records, first: number, end: number, target: number, where: string): Zones {
  if (first > end || end > bags.count) {
    throw new DataError(`${where}: zones ${first}…${end} are not among the ${bags.count} there are`);
  }
  let global: Zone = new Map();
  const zones: Zone[] = [];
  for (let bag = first; bag < end; bag++) {
    const from = bags.u16(bag, 0);
    const to = bags.u16(bag + 1, 0);
    if (from > to || to > gens.count) {
      throw new DataError(
        `${where}: generators ${from}…${to} of zone ${bag} are not among the ${gens.count} there are`,
      );
    }
    const own = new Map<number, number>();
    for (let gen = from; gen < to; gen++) {
      own.set(gens.u16(gen, 0), gens.u16(gen, 2));
      if (gens.u16(gen, 0) === target) break; // the target is the last generator of a zone; what follows is ignored
    }
    if (own.has(target)) zones.push(new Map([...global, ...own]));
    else if (bag === first) global = own;
  }
  return zones;
}

const signed = (value: number): number => (value << 16) >> 16;
const keyRange = (zone: Zone): [number, number] => {
  const value = zone.get(generators.keyRange);
  return value === undefined ? [0, 127] : [value & 255, value >> 8];
};

/**
 * Parses a SoundFont 3 file.
 * @param where name for messages
 * @throws DataError when a table is malformed. A single bad sample header gives a sample with an empty `ogg`.
 */
export function parseSoundFont(bytes: Uint8Array, where: string): SoundFont {
  const { info, smpl, pdta } = readSoundFontChunks(bytes, where);
  const table = (id: string, size: number): Records => new Records(pdta[id]!, size, `${where}, chunk ${id}`);
  const samples = readSamples(table('shdr', 46), smpl);

  const [ibag, igen, inst] = [table('ibag', 4), table('igen', 4), table('inst', 22)];
  const instruments = Array.from({ length: inst.count }, (_, i) =>
    readZones(ibag, igen, inst.u16(i, 20), inst.u16(i + 1, 20), generators.sampleId, `${where}, instrument ${i}`),
  );
  const [pbag, pgen, phdr] = [table('pbag', 4), table('pgen', 4), table('phdr', 38)];
  const presets = Array.from({ length: phdr.count }, (_, p): SoundFontPreset => {
    const at = `${where}, preset ${p}`;
    const zones = readZones(pbag, pgen, phdr.u16(p, 24), phdr.u16(p + 1, 24), generators.instrument, at);
    return {
      name: phdr.name(p),
      program: phdr.u16(p, 20),
      bank: phdr.u16(p, 22),
      regions: zones.flatMap((zone) => regionsOf(zone, instruments, samples, at)),
    };
  });
  return { info, samples, presets };
}

function readSamples(shdr: Records, smpl: Uint8Array): SoundFontSample[] {
  return Array.from({ length: shdr.count }, (_, index) => {
    const [start, end] = [shdr.u32(index, 20), shdr.u32(index, 24)];
    const isCompressed = (shdr.u16(index, 44) & 0x10) !== 0;
    const stream = isCompressed && start < end && end <= smpl.length ? smpl.subarray(start, end) : new Uint8Array(0);
    return {
      index,
      name: shdr.name(index),
      sampleRate: shdr.u32(index, 36),
      originalKey: shdr.view.getUint8(index * 46 + 40),
      pitchCorrection: shdr.view.getInt8(index * 46 + 41),
      ogg: String.fromCharCode(...stream.subarray(0, 4)) === 'OggS' ? stream : new Uint8Array(0),
    };
  });
}

function regionsOf(
  presetZone: Zone,
  instruments: readonly Zones[],
  samples: readonly SoundFontSample[],
  where: string,
): SoundFontRegion[] {
  const id = presetZone.get(generators.instrument)!;
  const zones = instruments[id];
  if (!zones) throw new DataError(`${where}: instrument ${id} is not among the ${instruments.length} there are`);
  const [presetLow, presetHigh] = keyRange(presetZone);
  const tune = (zone: Zone, generator: number): number => signed(zone.get(generator) ?? 0);
  return zones.flatMap((zone): SoundFontRegion[] => {
    const sample = zone.get(generators.sampleId)!;
    const header = samples[sample];
    if (!header) throw new DataError(`${where}: sample ${sample} is not among the ${samples.length} there are`);
    const [low, high] = keyRange(zone);
    const keyLow = Math.max(low, presetLow);
    const keyHigh = Math.min(high, presetHigh);
    if (keyLow > keyHigh) return [];
    const override = signed(zone.get(generators.overridingRootKey) ?? -1);
    return [
      {
        sample,
        keyLow,
        keyHigh,
        rootKey: override >= 0 && override <= 127 ? override : header.originalKey,
        // preset generators are added to the instrument's (§9.4); the root key is the instrument's alone
        coarseTune: tune(zone, generators.coarseTune) + tune(presetZone, generators.coarseTune),
        fineTune: tune(zone, generators.fineTune) + tune(presetZone, generators.fineTune),
      },
    ];
  });
}

/**
 * Duration of an Ogg Vorbis stream in seconds from its last page's granule position and its header's rate, without decoding;
 * 0 when it is not one.
 */
export function oggSeconds(ogg: Uint8Array): number {
  const view = new DataView(ogg.buffer, ogg.byteOffset, ogg.byteLength);
  let rate = 0;
  let samples = 0;
  for (let at = 0; at + 27 <= ogg.length && view.getUint32(at, false) === 0x4f676753;) {
    const segments = ogg[at + 26]!;
    const body = at + 27 + segments;
    if (body > ogg.length) break;
    let size = 0;
    for (let i = 0; i < segments; i++) size += ogg[at + 27 + i]!;
    // identification header: packet type 1, "vorbis", version u32, channels u8, rate u32
    if (rate === 0 && body + 16 <= ogg.length && ogg[body] === 1) rate = view.getUint32(body + 12, true);
    const low = view.getUint32(at + 6, true);
    const high = view.getUint32(at + 10, true);
    if (high !== 0xffffffff) samples = high * 4294967296 + low;
    at = body + size;
  }
  return rate > 0 ? samples / rate : 0;
}
