import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { indexDir, readIndex, sheetsWithoutCheckpoints } from './index-file.ts';
import { directAddresses } from './share-links.ts';

/** Sheets of systems, each with its public checkpoints in the index or a reason. */
const sheets =
  `atst audio-barlow-twins av-hubert barlow-twins beats cocoa concur decar delores dino-speech equivariant-tempo
  hybrid-byols moco-densecl mt-slvr multi-ssl simclr-byol-dino-swav-vicreg sit ssl4eo surgical-ssl vibcreg wav2vec2-conformer wavlm
  zero-note-samba`.split(/\s+/);

test('every sheet is in the index, or says why not', async () => {
  const entries = [...(await readIndex()).values()];
  for (const sheet of sheets) {
    const found = entries.filter(({ source }) => source === `methods/${sheet}.md`);
    expect([sheet, found.length > 0]).toEqual([sheet, sheetsWithoutCheckpoints[sheet] === undefined]);
  }
  expect(Object.keys(sheetsWithoutCheckpoints).every((sheet) => sheets.includes(sheet))).toBe(true);
});

test('ids are unique over all files, and every file can be loaded or has a page', async () => {
  const files = (await readdir(indexDir)).filter((name) => name.endsWith('.json'));
  const seen: string[] = [];
  for (const file of files) {
    const alone = await readIndex({ added: [join(indexDir, file)] });
    seen.push(...[...alone.values()].filter(({ index }) => index.endsWith(`/${file}`)).map(({ id }) => id));
  }
  expect(new Set(seen).size).toBe(seen.length);
  expect(seen.length).toBeGreaterThan(80);
  for (const { id, files, page } of (await readIndex()).values()) {
    const addresses = files.flatMap((file) => file.addresses).filter((address) => /^https?:/.test(address));
    for (const address of addresses) expect([id, directAddresses(address).length]).not.toEqual([id, 0]);
    if (files.some((file) => file.addresses.length === 0)) expect([id, page]).not.toEqual([id, null]);
  }
});

test('hashes of the sheets stand in the index', async () => {
  const hashes = [...(await readIndex()).values()].flatMap(({ files }) => files.map(({ sha256 }) => sha256));
  expect(hashes).toContain('d43cbfad4d7b56381c061d7a24774f908d4d94c72961f6eb1d9090ff18cd8d34');
  expect(hashes).toContain('9f812544983add849f45ef03c4ce10184729adee082c0bdd347764f4835bb3da');
});

test('an index of one’s own comes first, and a broken one is named with its field', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'index-'));
  const own = [...(await readIndex()).values()].find(({ form }) => form === 'upstream')!;
  const { index: _, ...entry } = own;
  const path = join(folder, 'mine.json');
  await writeFile(path, JSON.stringify({ schema: 1, entries: [{ ...entry, title: 'mine' }] }));
  expect((await readIndex({ added: [path] })).get(own.id)?.title).toBe('mine');
  await writeFile(
    path,
    JSON.stringify({ schema: 1, entries: [{ ...entry, files: [{ ...entry.files[0], name: '../a' }] }] }),
  );
  await expect(readIndex({ added: [path] })).rejects.toThrow(/mine\.json[\s\S]*files/);
  await writeFile(path, JSON.stringify({ schema: 1, entries: [{ ...entry, id: '../a.b' }] }));
  await expect(readIndex({ added: [path] })).rejects.toThrow(/backbone\.method_data/);
});
