/** Opens what authors publish, whatever the container: every tensor by its path, read when it is asked for. */
import { open } from 'node:fs/promises';
import { CheckpointError, messageOf, type NdArray } from '@unlabel/core';
import { decodeNpy, openSafetensors, openTorchCheckpoint, openZip } from '@unlabel/formats';

export interface ForeignTensor {
  readonly shape: readonly number[];
  /** As the file stores it. */
  readonly dtype: string;
  /** As float32. @throws DataError for integers that are no weights */
  read(): Promise<NdArray>;
}

export interface Container {
  /** `torch`, `safetensors`, `npz`. */
  readonly kind: string;
  readonly tensors: ReadonlyMap<string, ForeignTensor>;
  /** What else the file holds, for configs; a Map of a torch file, undefined elsewhere. */
  readonly root: unknown;
  close(): Promise<void>;
}

/** Files larger than this are refused before they are read: no checkpoint of the systems here is near it. */
const maxBytes = 8 * 2 ** 30;

/** @throws CheckpointError naming the file when it is no checkpoint, or one that would have to be run to be read */
export async function openContainer(path: string): Promise<Container> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new CheckpointError(`${path}: cannot be opened (${messageOf(cause)})`, { cause });
  });
  const head = Buffer.alloc(16);
  let size: number;
  try {
    await handle.read(head, 0, 16, 0);
    ({ size } = await handle.stat());
  } finally {
    await handle.close();
  }
  if (size > maxBytes) throw new CheckpointError(`${path}: has ${size} bytes; at most ${maxBytes} are read`);
  if (head.subarray(0, 8).equals(Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')))
    throw new CheckpointError(
      `${path}: is an HDF5 file (Keras); no checkpoint of the index is one, and it is not read`,
    );
  if (/^\s*<(!doctype|html)/i.test(head.toString('latin1')))
    throw new CheckpointError(`${path}: is a web page; the address gave a page instead of the file. Pull it again.`);
  if (/\.safetensors$/i.test(path)) return openSafe(path);
  if (/\.npz$/i.test(path)) return openNpz(path);
  const checkpoint = openTorchCheckpoint(path);
  const { tensors, root } = checkpoint;
  const list = [...tensors.values()];
  let ahead: Promise<unknown> = Promise.resolve();
  return {
    kind: 'torch',
    root,
    tensors: new Map(
      [...tensors].map(([name, tensor], i): [string, ForeignTensor] => [
        name,
        {
          shape: tensor.shape,
          dtype: tensor.dtype,
          async read() {
            const own = tensor.preload();
            // The next one comes from the disk while this one's checksum is computed.
            ahead = (list[i + 1]?.preload() ?? ahead).catch(() => {}); // its own read reports it
            await own;
            return { data: float32(tensor.data), shape: tensor.shape };
          },
        },
      ]),
    ),
    async close() {
      await ahead; // nothing reads a descriptor that is closed
      checkpoint.close();
    },
  };
}

const float32 = (data: ArrayLike<number>): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data);

async function openSafe(path: string): Promise<Container> {
  const reader = await openSafetensors(path);
  const tensors = new Map(
    reader.names.map((name): [string, ForeignTensor] => {
      const { shape, dtype } = reader.info(name);
      return [name, { shape, dtype, read: () => reader.readFloat32(name) }];
    }),
  );
  return { kind: 'safetensors', tensors, root: undefined, close: () => reader.close() };
}

async function openNpz(path: string): Promise<Container> {
  const zip = await openZip(path);
  const tensors = new Map<string, ForeignTensor>();
  for (const entry of zip.entries.keys()) {
    if (!entry.endsWith('.npy')) continue;
    const { data, shape } = decodeNpy(await zip.read(entry), `${path}: ${entry}`);
    const dtype = data.constructor.name;
    tensors.set(entry.slice(0, -4), {
      shape,
      dtype,
      read: () => Promise.resolve({ data: float32(data as Float32Array), shape }),
    });
  }
  return { kind: 'npz', tensors, root: undefined, close: () => zip.close() };
}
