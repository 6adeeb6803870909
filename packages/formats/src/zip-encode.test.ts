import { expect, test } from 'vitest';
import { encodeZip } from './zip-encode.ts';
import { readZip } from './zip.ts';

test('archives give back their files under their names, and the same bytes each time', () => {
  const files = {
    'a/b.txt': new TextEncoder().encode('hello'),
    'ä.bin': Uint8Array.of(0, 255, 1),
    empty: new Uint8Array(0),
  };
  const archive = encodeZip(files);
  const zip = readZip(archive, 'x.zip');
  expect([...zip.entries.keys()]).toEqual(Object.keys(files));
  for (const [name, content] of Object.entries(files)) expect([...zip.read(name)]).toEqual([...content]);
  expect(encodeZip(files)).toEqual(archive);
  expect([...readZip(encodeZip({})).entries.keys()]).toEqual([]);
});
