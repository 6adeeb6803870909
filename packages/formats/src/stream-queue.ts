/**
 * What a stream has sent, even when it breaks before it is read: a broken connection drops what its stream still holds, and a
 * download that is cut often would never get on.
 */
import type { Readable } from 'node:stream';

/** Held back beyond this many bytes, the stream is paused. */
const maxHeld = 4 << 20;

export class StreamQueue {
  readonly #stream: Readable;
  readonly #blocks: Buffer[] = [];
  #held = 0;
  #isDone = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** Listens at once. */
  constructor(stream: Readable) {
    this.#stream = stream;
    const end = (error?: Error): void => {
      this.#isDone = true;
      this.#error ??= error;
      this.#wake?.();
    };
    stream.on('data', (block: Buffer) => {
      this.#blocks.push(block);
      this.#held += block.length;
      if (this.#held > maxHeld) stream.pause();
      this.#wake?.();
    });
    stream.on('end', () => end());
    stream.on('error', end);
    stream.on('close', () => end(this.#isDone ? undefined : new Error('closed')));
  }

  /** All blocks in order; then the error of a stream that broke. */
  async *blocks(): AsyncGenerator<Buffer> {
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined) {
        this.#held -= block.length;
        if (this.#held <= maxHeld / 2) this.#stream.resume();
        yield block;
      } else if (this.#isDone) {
        if (this.#error) throw this.#error;
        return;
      } else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
