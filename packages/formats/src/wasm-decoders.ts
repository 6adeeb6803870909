/**
 * FLAC, MP3 and Ogg Vorbis through WebAssembly builds of libFLAC, mpg123 and Xiph's Vorbis. One decoder a format is kept and
 * reset between files (a reset costs 3 ms, a first start 40 to 120); files of one format are decoded one at a time.
 */
import { DataError, isUnlabelError, messageOf } from '@unlabel/core';
import { latin1, viewOf } from './bytes.ts';
import { id3v2Bytes, mpegInfo } from './mpeg.ts';
import { scanOgg, vorbisInfo } from './ogg.ts';
import type { DecodedAudio } from './wav.ts';

/** Samples of all channels together that one file may decode to: 2 GiB of floats. Small files can claim much more. */
const maxSamples = 2 ** 29;

interface Output {
  channelData: Float32Array[];
  samplesDecoded: number;
  sampleRate: number;
  errors: readonly { message: string }[];
}

interface Decoder {
  readonly ready: Promise<void>;
  reset(): Promise<void>;
}

/** One decoder, made when first needed, used by one file at a time and replaced after a failure. */
class Pool<D extends Decoder> {
  readonly #create: () => Promise<D>;
  #decoder: D | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(create: () => Promise<D>) {
    this.#create = create;
  }

  /** Runs `use` once the files before it are done. `use` leaves the decoder reset. */
  run<T>(name: string, use: (decoder: D) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      this.#decoder ??= await this.#create();
      await this.#decoder.ready;
      try {
        return await use(this.#decoder);
      } catch (cause) {
        this.#decoder = undefined; // its state is unknown now
        if (isUnlabelError(cause)) throw cause;
        throw new DataError(`${name}: the file is damaged (${messageOf(cause)})`, { cause });
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/**
 * Runs a decoder's synchronous part. The decoders report faults on the console and go on, mpg123 for ever when the fault
 * persists; here the first report ends the run.
 */
function stopAtFirstReport<T>(run: () => T): T {
  const saved = Object.getOwnPropertyDescriptor(globalThis.console, 'error')!;
  globalThis.console.error = (...words: unknown[]) => {
    throw new Error(words.join(' ').replace(/\s+/g, ' ').trim());
  };
  try {
    return run();
  } finally {
    Object.defineProperty(globalThis.console, 'error', saved);
  }
}

/** Decoded pieces, joined at the end. */
class Pieces {
  readonly #parts: Float32Array[][] = [];
  readonly #name: string;
  frames = 0;
  sampleRate = 0;
  channels = 0;

  constructor(name: string) {
    this.#name = name;
  }

  add(output: Output): void {
    const [fault] = output.errors;
    if (fault) throw new DataError(`${this.#name}: the file is damaged (${fault.message})`);
    if (output.samplesDecoded === 0) return;
    if (this.frames > 0 && (output.channelData.length !== this.channels || output.sampleRate !== this.sampleRate)) {
      throw new DataError(`${this.#name}: the sample rate or the number of channels changes within the file`);
    }
    this.channels = output.channelData.length;
    this.sampleRate = output.sampleRate;
    this.#parts.push(output.channelData);
    this.frames += output.samplesDecoded;
    refuseLong(this.frames, this.channels, this.#name);
  }

  join(channels: number): Float32Array[] {
    return Array.from({ length: channels }, (_, c) => {
      if (this.#parts.length === 1) return this.#parts[0]![c]!;
      const out = new Float32Array(this.frames);
      let at = 0;
      for (const part of this.#parts) {
        out.set(part[c]!, at);
        at += part[c]!.length;
      }
      return out;
    });
  }
}

function refuseLong(frames: number, channels: number, name: string): void {
  if (frames * channels <= maxSamples) return;
  throw new DataError(
    `${name}: it decodes to more than ${maxSamples} samples. Split it, or convert it to WAV, which is streamed`,
  );
}

const pieceBytes = { flac: 16384, mp3: 1 << 20 }; // what is decoded between two looks at the size

const flac = new Pool(async () => new (await import('@wasm-audio-decoders/flac')).FLACDecoder());

/**
 * Decodes a FLAC file. Integers are divided by 2^(bits−1).
 * @throws DataError when it is damaged, cut short or too long to hold
 */
export function decodeFlac(bytes: Uint8Array, name: string): Promise<DecodedAudio> {
  return flac.run(name, async (decoder) => {
    const file = bytes.subarray(id3v2Bytes(bytes));
    if (file.length < 42 || (file[4]! & 127) !== 0)
      throw new DataError(`${name}: the FLAC file does not start with STREAMINFO`);
    const view = viewOf(file);
    const sampleRate = view.getUint32(18) >>> 12;
    const channels = ((file[20]! >> 1) & 7) + 1;
    const total = (file[21]! & 15) * 4294967296 + view.getUint32(22);
    if (sampleRate === 0) throw new DataError(`${name}: its FLAC header states a sample rate of 0`);
    refuseLong(total, channels, name);
    const pieces = new Pieces(name);
    for (let at = 0; at < file.length; at += pieceBytes.flac) {
      const piece = file.subarray(at, at + pieceBytes.flac);
      pieces.add(await stopAtFirstReport(() => decoder.decode(piece)));
    }
    pieces.add(await stopAtFirstReport(() => decoder.flush()));
    const isOther = pieces.frames > 0 && (pieces.channels !== channels || pieces.sampleRate !== sampleRate);
    if (isOther || (total > 0 && pieces.frames !== total)) {
      throw new DataError(
        `${name}: the FLAC file is damaged or cut short: it states ${channels} × ${total} samples at ${sampleRate} Hz, found ${pieces.channels} × ${pieces.frames} at ${pieces.sampleRate} Hz`,
      );
    }
    return { sampleRate, channels: pieces.join(channels), frames: pieces.frames, encoding: 'flac' };
  });
}

const mp3 = new Pool(async () => new (await import('mpg123-decoder')).MPEGDecoder({ enableGapless: true }));

/**
 * Decodes an MPEG audio file (layers I to III). mpg123 is gapless: the encoder's delay and padding that a LAME or Xing tag
 * states are cut off, so the length is the original's. Without that tag they stay (some 1100 samples of near silence at the
 * start, and up to a frame at the end).
 * @throws DataError when it is damaged, shorter than its tag states, or too long to hold
 */
export function decodeMp3(bytes: Uint8Array, name: string): Promise<DecodedAudio> {
  return mp3.run(name, async (decoder) => {
    const info = mpegInfo(bytes);
    if (!info) throw new DataError(`${name}: no MPEG audio frames found`);
    const pieces = new Pieces(name);
    for (let at = 0; at < bytes.length; at += pieceBytes.mp3) {
      const piece = bytes.subarray(at, at + pieceBytes.mp3);
      pieces.add(stopAtFirstReport(() => decoder.decode(piece)));
    }
    if (pieces.frames === 0) throw new DataError(`${name}: nothing in it could be decoded as MPEG audio`);
    if (info.statedFrames !== undefined && pieces.frames < info.statedFrames - 1152) {
      throw new DataError(
        `${name}: it is cut short: it states ${info.statedFrames} frames of sound, found ${pieces.frames}`,
      );
    }
    await decoder.reset();
    // The decoder always gives two channels; those of a mono file are the same.
    const channels = pieces.join(info.channels);
    return { sampleRate: pieces.sampleRate, channels, frames: pieces.frames, encoding: `mp${info.layer}` };
  });
}

const vorbis = new Pool(async () => new (await import('@wasm-audio-decoders/ogg-vorbis')).OggVorbisDecoder());

/**
 * Decodes an Ogg Vorbis file of one stream.
 * @throws DataError when a page is damaged or missing, the file is cut short, holds another codec or several streams, or
 * is too long to hold
 */
export function decodeOggVorbis(bytes: Uint8Array, name: string): Promise<DecodedAudio> {
  return vorbis.run(name, async (decoder) => {
    const stream = scanOgg(bytes, name);
    const info = vorbisInfo(stream, name);
    refuseLong(info.maxFrames, info.channels, name);
    const pieces = new Pieces(name);
    pieces.add(await stopAtFirstReport(() => decoder.decodeFile(bytes)));
    const isOther = pieces.channels !== info.channels || pieces.sampleRate !== info.sampleRate;
    if (pieces.frames > 0 && isOther) throw new DataError(`${name}: the Vorbis stream is not what its header states`);
    const channels =
      pieces.frames > 0 ? pieces.join(info.channels) : Array.from({ length: info.channels }, () => new Float32Array(0));
    return { sampleRate: info.sampleRate, channels, frames: pieces.frames, encoding: 'vorbis' };
  });
}

/** Whether the bytes start a FLAC file, an ID3v2 tag aside. */
export function isFlac(bytes: Uint8Array): boolean {
  const at = id3v2Bytes(bytes);
  return bytes.length >= at + 4 && latin1(bytes, at, at + 4) === 'fLaC';
}
