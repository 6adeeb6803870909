/**
 * The RIFF layer of a SoundFont: INFO, sdta and pdta lists and the chunks in them (SoundFont 2.04 specification, §4).
 * Every size is checked against the bytes that are there before it is used.
 */
import { DataError } from '@unlabel/core';

/** The chunks that carry samples and articulation, as views into the file. */
export interface SoundFontChunks {
  /** `ifil`: major and minor version. 3 means compressed samples, by the convention of SF3 writers. */
  readonly version: readonly [number, number];
  /** `INAM`, `ICOP`, `ICMT`, … as text, by chunk name. */
  readonly info: Readonly<Record<string, string>>;
  readonly smpl: Uint8Array;
  /** `phdr`, `pbag`, `pgen`, `inst`, `ibag`, `igen`, `shdr` (and the modulators, unread). */
  readonly pdta: Readonly<Record<string, Uint8Array>>;
}

interface Chunk {
  readonly id: string;
  readonly body: Uint8Array;
}

const fourCc = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));
const isFourCc = (bytes: Uint8Array, at: number): boolean =>
  at + 8 <= bytes.length && /^[A-Za-z][A-Za-z0-9]{2}[A-Za-z0-9 ]$/.test(fourCc(bytes, at));

/**
 * Splits a list into chunks. RIFF pads an odd chunk with one byte; some writers leave the byte out (MuseScore_General_Lite
 * does), so after an odd chunk the next name is looked for at both places.
 */
function readChunks(bytes: Uint8Array, where: string): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const id = fourCc(bytes, at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (size > bytes.length - start) {
      throw new DataError(
        `${where}: chunk ${JSON.stringify(id)} says it holds ${size} bytes, ${bytes.length - start} are left. The file is cut short or broken.`,
      );
    }
    chunks.push({ id, body: bytes.subarray(start, start + size) });
    at = start + size;
    if (size % 2 === 1 && (bytes[at] === 0 || !isFourCc(bytes, at))) at++; // the pad byte is zero, a name never starts so
  }
  return chunks;
}

const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes).split('\0')[0]!.trim();

/**
 * Reads the chunk structure of a SoundFont 2 or 3 file.
 * @throws DataError when it is not one, or a chunk is missing or larger than the file
 */
export function readSoundFontChunks(bytes: Uint8Array, where: string): SoundFontChunks {
  if (bytes.length < 12 || fourCc(bytes, 0) !== 'RIFF' || fourCc(bytes, 8) !== 'sfbk') {
    throw new DataError(`${where}: expected a SoundFont (RIFF … sfbk), found other bytes`);
  }
  const lists = new Map<string, Chunk[]>();
  for (const { id, body } of readChunks(bytes.subarray(12), where)) {
    if (id !== 'LIST' || body.length < 4) continue;
    lists.set(fourCc(body, 0), readChunks(body.subarray(4), `${where}, list ${fourCc(body, 0)}`));
  }
  const find = (list: string, id: string): Uint8Array => {
    const found = lists.get(list)?.find((chunk) => chunk.id === id);
    if (!found) throw new DataError(`${where}: chunk ${list}/${id} is missing`);
    return found.body;
  };
  const ifil = find('INFO', 'ifil');
  if (ifil.length !== 4) throw new DataError(`${where}: chunk INFO/ifil has ${ifil.length} bytes, expected 4`);
  const info = (lists.get('INFO') ?? []).filter(({ id }) => id !== 'ifil' && id !== 'iver');
  return {
    version: [ifil[0]! + 256 * ifil[1]!, ifil[2]! + 256 * ifil[3]!],
    info: Object.fromEntries(info.map(({ id, body }) => [id, text(body)])),
    smpl: find('sdta', 'smpl'),
    pdta: Object.fromEntries(
      ['phdr', 'pbag', 'pgen', 'inst', 'ibag', 'igen', 'shdr'].map((id) => [id, find('pdta', id)]),
    ),
  };
}
