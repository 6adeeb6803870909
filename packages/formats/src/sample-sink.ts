/** Where decoders put their samples: grows with what was really decoded, never with what a header states. */
import { DataError } from '@unlabel/core';

/** Samples of all channels together that one file may decode to: 2 GiB of floats. Small files can state much more. */
export const maxDecodedSamples = 2 ** 29;

export class SampleSink {
  #channels: Float32Array<ArrayBuffer>[];
  readonly #name: string;
  /** Samples of each channel so far. */
  frames = 0;

  constructor(channels: number, name: string) {
    this.#channels = Array.from({ length: channels }, () => new Float32Array(65536));
    this.#name = name;
  }

  /** Appends the first `count` integers of each channel, divided by `scale` (a power of two: exact). */
  addIntegers(channels: readonly Int32Array[], count: number, scale: number): void {
    this.#reserve(count);
    const factor = 1 / scale;
    this.#channels.forEach((to, c) => {
      const from = channels[c]!;
      for (let i = 0, at = this.frames; i < count; i++, at++) to[at] = from[i]! * factor;
    });
    this.frames += count;
  }

  /** Appends the first `count` samples of as many channels as the sink has. */
  addFloats(channels: readonly Float32Array[], count: number): void {
    this.#reserve(count);
    this.#channels.forEach((to, c) => to.set(channels[c]!.subarray(0, count), this.frames));
    this.frames += count;
  }

  /** The samples, in memory of their own size. */
  finish(): Float32Array[] {
    return this.#channels.map((channel) => channel.slice(0, this.frames));
  }

  /** @throws DataError when the file decodes to more than is held */
  #reserve(count: number): void {
    const needed = this.frames + count;
    if (needed * this.#channels.length > maxDecodedSamples) {
      throw new DataError(
        `${this.#name}: it decodes to more than ${maxDecodedSamples} samples. Split it, or convert it to WAV, which is streamed`,
      );
    }
    const capacity = this.#channels[0]?.length ?? needed;
    if (needed <= capacity) return;
    this.#channels = this.#channels.map((channel) => {
      const larger = new Float32Array(Math.max(needed, 2 * capacity));
      larger.set(channel);
      return larger;
    });
  }
}
