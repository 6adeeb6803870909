/** Reading a torch checkpoint of the size of BEATs to arrays. */
import { crc32 } from 'node:zlib';
import { mkdir, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const folder = join(tmpdir(), 'unlabel-bench-torch');
/** Twelve layers of width 768, and the rest: 361 MB. */
const shapes: readonly (readonly [name: string, shape: readonly number[]])[] = [
  ...Array.from({ length: 12 }, (_, i) =>
    (
      [
        ['fc1', [3072, 768]],
        ['fc2', [768, 3072]],
        ['q_proj', [768, 768]],
        ['k_proj', [768, 768]],
        ['v_proj', [768, 768]],
        ['out_proj', [768, 768]],
      ] as const
    ).map(([name, shape]) => [`encoder.layers.${i}.${name}.weight`, shape] as const),
  ).flat(),
  ['rest', [5_300_000]],
];

const u32 = (n: number): Buffer => Buffer.from(Uint32Array.of(n).buffer);
const u16 = (n: number): Buffer => Buffer.from(Uint16Array.of(n).buffer);
const text = (s: string): Buffer => Buffer.concat([Buffer.from('X'), u32(Buffer.byteLength(s)), Buffer.from(s)]);
const int = (n: number): Buffer => Buffer.concat([Buffer.from('J'), u32(n)]);
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** `{ 'model': { name: tensor } }` as torch.save writes it. */
function pickle(): Buffer {
  const tensors = shapes.flatMap(([name, shape], key) => {
    const stride = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
    const storage = [text('storage'), 'ctorch\nFloatStorage\n', text(String(key)), text('cpu'), int(sizeOf(shape))];
    return [
      text(name),
      'ctorch._utils\n_rebuild_tensor_v2\n((',
      ...storage,
      'tQ',
      int(0),
      '(',
      ...shape.map(int),
      't(',
      ...stride.map(int),
      't\x89ccollections\nOrderedDict\n)RtR',
    ];
  });
  const parts = ['\x80\x02}', text('model'), '}(', ...tensors, 'us.'];
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}

/** Stored entries, contents aligned to 64 bytes as torch aligns them. */
async function writeData(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rng = createRng(1);
  const noise = Float32Array.from({ length: 1 << 20 }, () => rng.normal());
  const file = await open(join(folder, 'model.pt'), 'w');
  const central: Buffer[] = [];
  let at = 0;
  const add = async (name: string, content: Buffer): Promise<void> => {
    const padding = (64 - ((at + 30 + name.length + 4) % 64)) % 64;
    const extra = Buffer.concat([Buffer.from('FB'), u16(padding), Buffer.alloc(padding)]);
    const fields = [
      u16(0),
      u16(0),
      u32(0),
      u32(crc32(content)),
      u32(content.length),
      u32(content.length),
      u16(name.length),
    ];
    const local = Buffer.concat([
      Buffer.from('PK\x03\x04'),
      u16(20),
      ...fields,
      u16(extra.length),
      Buffer.from(name),
      extra,
    ]);
    central.push(
      Buffer.concat([
        Buffer.from('PK\x01\x02'),
        u16(20),
        u16(20),
        ...fields,
        u16(0),
        u16(0),
        u16(0),
        u16(0),
        u32(0),
        u32(at),
        Buffer.from(name),
      ]),
    );
    await file.writeFile(local);
    await file.writeFile(content);
    at += local.length + content.length;
  };
  await add('archive/data.pkl', pickle());
  for (const [key, [, shape]] of shapes.entries()) {
    const values = new Float32Array(sizeOf(shape));
    for (let i = 0; i < values.length; i += noise.length) values.set(noise.subarray(0, values.length - i), i);
    await add(`archive/data/${key}`, Buffer.from(values.buffer));
  }
  await add('archive/version', Buffer.from('3\n'));
  const directory = Buffer.concat(central);
  await file.writeFile(directory);
  const count = u16(central.length);
  await file.writeFile(
    Buffer.concat([Buffer.from('PK\x05\x06'), u32(0), count, count, u32(directory.length), u32(at), u16(0)]),
  );
  await file.close();
}

export const torchRead: Suite = {
  name: 'torch-read',
  description:
    'A torch.save file of 361 MB, 73 tensors, to arrays in memory, page cache warm: opening and reading every tensor (ours), ' +
    'torch.load with weights_only and a copy of the state dict (peer). `first` is the first read of a process, as every command ' +
    'that opens a checkpoint does it; `again` repeats it in one process, whose memory PyTorch keeps and JavaScript gives back.',
  works: ['first', 'again'],
  amounts: { first: { amount: 361, unit: 'MB' }, again: { amount: 361, unit: 'MB' } },
  repetitions: 12,
  prepare: writeData,
  contenders: async ({ python }) => [
    ours('torch-read.ts', 'auto', [folder]),
    ...peer('PyTorch', 'torch_read.py', python, [folder]),
  ],
};
