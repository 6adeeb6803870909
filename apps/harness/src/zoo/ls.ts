/** What `unlabel zoo ls` and `show` say: the index, and what of it is here. */
import { join } from 'node:path';
import {
  isModelDir,
  licenceText,
  entryOf,
  pulledDir,
  pulledRecords,
  readCard,
  readIndex,
  shippedDir,
  shippedIds,
} from '@unlabel/zoo/files';
import type { IndexedEntry, PullRecord } from '@unlabel/zoo/files';

export interface ListOptions {
  readonly index?: readonly string[];
  readonly pulled?: boolean;
  readonly json?: boolean;
}

/** `shipped`: in the repository; `ready`: pulled and opens here; `file`: pulled as its authors publish it; `-`: to be pulled. */
type State = 'shipped' | 'ready' | 'file' | '-';

interface Row {
  readonly id: string;
  readonly state: State;
  readonly bytes: number | null;
  readonly licence: string;
  readonly isRestricted: boolean;
  readonly title: string;
}

/** Rows whose id, title or method contain every word. */
export async function listZoo(words: readonly string[], options: ListOptions): Promise<string> {
  const [index, records] = [await readIndex({ added: options.index }), await pulledRecords()];
  const byId = new Map(records.map((record) => [record.id, record]));
  const rows = new Map<string, Row & { text: string }>();
  for (const id of shippedIds()) {
    const { title, licence, restricted } = await readCard(join(shippedDir, id));
    rows.set(id, {
      id,
      state: 'shipped',
      bytes: null,
      licence,
      isRestricted: restricted,
      title,
      text: `${id} ${title}`,
    });
  }
  for (const entry of index.values()) {
    if (rows.has(entry.id)) continue;
    rows.set(entry.id, { ...rowOf(entry, byId.get(entry.id)), text: `${entry.id} ${entry.title} ${entry.method}` });
  }
  const shown = [...rows.values()]
    .filter(({ text }) => words.every((word) => text.toLowerCase().includes(word.toLowerCase())))
    .filter(({ state }) => !options.pulled || state !== '-')
    .map(({ text: _text, ...row }) => row);
  if (options.json) return `${JSON.stringify(shown, null, 2)}\n`;
  if (shown.length === 0) return 'no checkpoint fits; see: npx unlabel zoo ls\n';
  const width = Math.max(...shown.map(({ id }) => id.length));
  const lines = shown.map(
    ({ id, state, bytes, licence, isRestricted, title }) =>
      `${id.padEnd(width)}  ${state.padEnd(7)}  ${sizeText(bytes).padStart(8)}  ${title} (${licence}${isRestricted ? ', restricts use' : ''})`,
  );
  return `${lines.join('\n')}\n${shown.length} checkpoints; more of one: npx unlabel zoo show ${shown[0]!.id}\n`;
}

function rowOf(entry: IndexedEntry, record: PullRecord | undefined): Row {
  const known = entry.files.map(({ bytes }) => bytes);
  const bytes = record
    ? record.files.reduce((sum, file) => sum + file.bytes, 0)
    : known.includes(null)
      ? null
      : known.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  return {
    id: entry.id,
    state: record === undefined ? '-' : isModelDir(pulledDir(entry.id)) ? 'ready' : 'file',
    bytes,
    licence: entry.licence.id,
    isRestricted: entry.licence.restricted,
    title: entry.title,
  };
}

export const sizeText = (bytes: number | null): string =>
  bytes === null ? '?' : bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** Everything the index and the cache know of one. */
export async function showZoo(id: string, options: ListOptions): Promise<string> {
  const entry = entryOf(await readIndex({ added: options.index }), id);
  const record = (await pulledRecords()).find((held) => held.id === id);
  if (options.json) return `${JSON.stringify({ ...entry, pulled: record ?? null }, null, 2)}\n`;
  const lines = [
    `${entry.id}: ${entry.title}`,
    `method     ${entry.method}`,
    `licence    ${licenceText(entry)}${entry.licence.restricted ? '\n  restricts use: accepted once with --accept-licence' : ''}`,
    `front-end  ${entry.frontEnd}`,
    `import     ${entry.form === 'checkpoint' ? 'none needed' : (entry.upstream ?? 'none: kept as its authors publish it')}`,
    `page       ${entry.page ?? 'none'}`,
    `facts from ${entry.source}`,
    ...entry.files.flatMap(({ name, bytes, sha256, sha256Prefix, addresses }) => [
      `file       ${name}, ${bytes === null ? 'size unknown' : `${bytes} bytes`}`,
      `  sha256   ${sha256 ?? (sha256Prefix ? `${sha256Prefix}…` : 'unknown; recorded at the first pull')}`,
      ...addresses.map((address) => `  from     ${address}`),
    ]),
    ...entry.scores.map(({ task, metric, value, table }) => `score      ${task}: ${value} ${metric} (${table})`),
    ...entry.notes.map((note) => `note       ${note}`),
    ...(record ? stateOf(record) : [`pulled     no; npx unlabel zoo pull ${entry.id}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function stateOf({ pulled, files, notImported }: PullRecord): string[] {
  return [
    `pulled     ${pulled}`,
    ...files.map(
      ({ name, sha256, isVerified }) =>
        `  ${name} ${sha256} (${isVerified ? 'verified' : 'unverified: recorded at this pull'})`,
    ),
    ...(notImported === null ? [] : [`  not imported: ${notImported}`]),
  ];
}
