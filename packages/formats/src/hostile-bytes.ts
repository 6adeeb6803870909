/** Pickles and archives put together byte by byte, with any lie that is asked for: what `hostile-corpus.ts` is made of. For tests only. */
import { crc32, deflateRawSync } from 'node:zlib';

type Part = string | number | Uint8Array;
export const bytes = (...parts: readonly Part[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'string'
        ? Buffer.from(part, 'latin1')
        : typeof part === 'number'
          ? Buffer.from([part])
          : Buffer.from(part),
    ),
  );
export const u32 = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n >>> 0);
  return b;
};
export const u64 = (n: number | bigint): Buffer => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(BigInt(n));
  return b;
};

// Opcodes, by pickletools' names.
export const proto = bytes(0x80, 4);
export const text = (s: string): Buffer => bytes(0x8c, Buffer.byteLength(s), Buffer.from(s));
export const global = (path: string): Buffer => {
  const dot = path.lastIndexOf('.');
  return bytes('c', path.slice(0, dot), '\n', path.slice(dot + 1), '\n');
};
export const call = (path: string, argument: string): Buffer =>
  bytes(proto, global(path), text(argument), 0x85, 'R', '.');

export interface ZipEntrySpec {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate?: boolean;
  /** Lies, where they differ from the truth. */
  readonly localName?: string;
  readonly localFlags?: number;
  readonly localMethod?: number;
  readonly localSize?: number;
  readonly size?: number;
  readonly packedSize?: number;
  readonly offset?: number;
  readonly flags?: number;
  readonly crc?: number;
}

/** A ZIP archive that says of its entries whatever is asked for. */
export function zipOf(entries: readonly ZipEntrySpec[], { count = entries.length } = {}): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let at = 0;
  for (const entry of entries) {
    const packed = entry.deflate ? deflateRawSync(entry.content) : Buffer.from(entry.content);
    const name = Buffer.from(entry.name);
    const localName = Buffer.from(entry.localName ?? entry.name);
    const flags = entry.flags ?? 0;
    const method = entry.deflate ? 8 : 0;
    const size = entry.size ?? entry.content.length;
    const sums = [u32(entry.crc ?? crc32(entry.content)), u32(entry.packedSize ?? packed.length)];
    const common = (name: Buffer, flags: number, method: number, size: number): Buffer =>
      bytes(20, 0, flags, 0, method, 0, u32(0), ...sums, u32(size), name.length, 0, 0, 0);
    const local = bytes(
      'PK\x03\x04',
      common(localName, entry.localFlags ?? flags, entry.localMethod ?? method, entry.localSize ?? size),
      localName,
      packed,
    );
    centrals.push(
      bytes(
        'PK\x01\x02',
        20,
        0,
        common(name, flags, method, size),
        0,
        0,
        0,
        0,
        0,
        0,
        u32(0),
        u32(entry.offset ?? at),
        name,
      ),
    );
    locals.push(local);
    at += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = bytes(
    'PK\x05\x06',
    u32(0),
    count & 255,
    count >> 8,
    count & 255,
    count >> 8,
    u32(central.length),
    u32(at),
    0,
    0,
  );
  return Buffer.concat([...locals, central, end]);
}

export const torchZip = (pickle: Uint8Array, more: readonly ZipEntrySpec[] = []): Buffer =>
  zipOf([{ name: 'a/data.pkl', content: pickle }, ...more]);

/** A dict with one tensor whose storage, offset, shape and strides are as given. */
export function tensorPickle({
  key = '0',
  count = 4,
  offset = 0,
  shape = [2, 2],
  stride = [2, 1] as readonly number[],
} = {}): Buffer {
  const int = (n: number): Buffer => bytes('I', String(n), '\n');
  const tuple = (list: readonly number[]): Buffer => bytes('(', ...list.map(int), 't');
  const storage = bytes(
    '(',
    text('storage'),
    global('torch.FloatStorage'),
    text(key),
    text('cpu'),
    int(count),
    't',
    'Q',
  );
  return bytes(
    proto, '}', text('w'), global('torch._utils._rebuild_tensor_v2'),
    '(', storage, int(offset), tuple(shape), tuple(stride), 'I00\n', '}', 't', 'R', 's', '.',
  ); // prettier-ignore
}
export const storage = (floats: number): ZipEntrySpec => ({ name: 'a/data/0', content: new Uint8Array(4 * floats) });

/** l₀ = [], lᵢ = [lᵢ₋₁, lᵢ₋₁]: 2ⁿ paths in a few bytes. */
export function doublings(n: number): Buffer[] {
  return Array.from({ length: n }, (_, i) => bytes('q', i, '0', ']', 'h', i, 'a', 'h', i, 'a'));
}
