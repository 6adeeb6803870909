/** Loading a large file from a server on this machine, hashed. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Suite } from '../lib/measure.ts';

const folder = join(tmpdir(), 'unlabel-bench-download');
const work = new URL('../works/download.ts', import.meta.url).pathname;

async function writeData(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'file');
  if (existsSync(path)) return;
  const file = await open(path, 'w');
  const block = randomBytes(1_000_000);
  for (let i = 0; i < 1000; i++) {
    block.writeUInt32LE(i);
    await file.writeFile(block);
  }
  await file.close();
}

const side = (label: string, mode: string) => ({
  label,
  command: process.execPath,
  args: ['--conditions=@unlabel/source', '--no-warnings', work, folder, mode],
});

export const download: Suite = {
  name: 'download',
  description:
    '1 GB from a server on this machine to disk, with its SHA-256: `downloadFile`, which hashes while it loads; curl and then ' +
    'sha256sum; and curl alone, which does not hash.',
  works: ['load'],
  amounts: { load: { amount: 1000, unit: 'MB' } },
  repetitions: 5,
  prepare: writeData,
  contenders: () =>
    Promise.resolve([side('ours', 'ours'), side('curl, sha256sum', 'curl-sha256sum'), side('curl alone', 'curl')]),
};
