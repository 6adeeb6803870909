/**
 * MP3 and Ogg Vorbis through WebAssembly builds of mpg123 and Xiph's decoder. One decoder a format is kept and reset between
 * files; files of one format are decoded one at a time. A reset makes a fresh WebAssembly instance (3 ms, against 40 to 120
 * for the first), which also keeps a damaged file from reaching the next: starting over inside the old one was tried, halves
 * the time of small Ogg files, and fails on some.
 */
import { DataError, isUnlabelError, messageOf } from '@unlabel/core';
import { mpegInfo } from './mpeg.ts';
import { scanOgg, vorbisInfo } from './ogg.ts';
import { maxDecodedSamples, SampleSink } from './sample-sink.ts';
import type { DecodedAudio } from './wav.ts';

/** MP3 bytes that are decoded between two looks at what has come out: at most 200 MB of floats. */
const pieceBytes = 1 << 20;

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

/**
 * Takes over what a decoder gave.
 * @throws DataError when it reports a fault, or another rate or fewer channels than the header states
 */
function take(sink: SampleSink, output: Output, stated: { sampleRate: number; channels: number }, name: string): void {
  const [fault] = output.errors;
  if (fault) throw new DataError(`${name}: the file is damaged (${fault.message})`);
  if (output.samplesDecoded === 0) return;
  if (output.sampleRate !== stated.sampleRate || output.channelData.length < stated.channels) {
    throw new DataError(`${name}: the sample rate or the number of channels changes within the file`);
  }
  sink.addFloats(output.channelData, output.samplesDecoded);
}

const mp3 = new Pool(async () => new (await import('mpg123-decoder')).MPEGDecoder({ enableGapless: true }));

/**
 * Decodes an MPEG audio file (layers I to III). mpg123 is gapless: the encoder's delay and padding that a LAME or Xing tag
 * states are cut off, so the length is the original's. Without that tag they stay (some 1100 samples of near silence at the
 * start, and up to a frame at the end).
 * @throws DataError when it is damaged, shorter than its tag states, or too long to hold
 */
export async function decodeMp3(bytes: Uint8Array, name: string): Promise<DecodedAudio> {
  const info = mpegInfo(bytes);
  if (!info) throw new DataError(`${name}: no MPEG audio frames found`);
  return mp3.run(name, async (decoder) => {
    const sink = new SampleSink(info.channels, name); // the decoder gives a mono file's channel twice
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      take(
        sink,
        stopAtFirstReport(() => decoder.decode(piece)),
        info,
        name,
      );
    }
    const { frames } = sink;
    if (frames === 0) throw new DataError(`${name}: nothing in it could be decoded as MPEG audio`);
    if (info.statedFrames !== undefined && frames < info.statedFrames - 1152) {
      throw new DataError(`${name}: it is cut short: it states ${info.statedFrames} frames of sound, found ${frames}`);
    }
    await decoder.reset();
    return { sampleRate: info.sampleRate, channels: sink.finish(), frames, encoding: `mp${info.layer}` };
  });
}

const vorbis = new Pool(async () => new (await import('@wasm-audio-decoders/ogg-vorbis')).OggVorbisDecoder());

/**
 * Decodes an Ogg Vorbis file of one stream.
 * @throws DataError when a page is damaged or missing, the file is cut short, holds another codec or several streams, or
 * is too long to hold
 */
export async function decodeOggVorbis(bytes: Uint8Array, name: string): Promise<DecodedAudio> {
  const info = vorbisInfo(scanOgg(bytes, name), name);
  if (info.maxFrames * info.channels > maxDecodedSamples) {
    throw new DataError(`${name}: it may decode to more than ${maxDecodedSamples} samples. Split it`);
  }
  return vorbis.run(name, async (decoder) => {
    const sink = new SampleSink(info.channels, name);
    take(sink, await stopAtFirstReport(() => decoder.decodeFile(bytes)), info, name);
    return { sampleRate: info.sampleRate, channels: sink.finish(), frames: sink.frames, encoding: 'vorbis' };
  });
}
