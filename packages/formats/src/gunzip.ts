/** Gzip streams, with a bound on how far they may swell. */
import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream';
import { DataError, messageOf } from '@unlabel/core';

/** Deflate cannot pass 1032; audio stays under 20, label files reach some 30. */
const maxRatio = 200;
/** What small files may swell to whatever their ratio. */
const freeBytes = 1 << 20;

/**
 * The content of a gzip stream (several members one after another are one content).
 * @throws DataError for damage, truncation, or content more than 200 times its compressed size
 */
export async function* gunzipStream(source: NodeJS.ReadableStream, name: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  let [taken, given] = [0, 0];
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      const bytes = chunk as Uint8Array;
      taken += bytes.length;
      yield bytes;
    }
  };
  const fed = new Promise<void>((resolve, reject) =>
    pipeline(counted, gunzip, (error) => (error ? reject(error) : resolve())),
  );
  fed.catch(() => {}); // reported by the reader below
  try {
    for await (const chunk of gunzip) {
      given += (chunk as Uint8Array).length;
      if (given > freeBytes && given > maxRatio * taken)
        throw new DataError(`${name}: swells to more than ${maxRatio} times its size; it is not taken`);
      yield chunk as Uint8Array;
    }
    await fed;
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${name}: the gzip stream is damaged or cut short (${messageOf(cause)})`, { cause });
  } finally {
    gunzip.destroy();
  }
}
