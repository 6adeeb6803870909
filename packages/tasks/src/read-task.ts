/** Reads a task directory into a `Task` and the list of everything that is wrong with it short of decoding its audio. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Task, TaskClip, TaskMetadata } from '@unlabel/core';
import { messageOf } from '@unlabel/core';
import { parseLabels } from './labels.ts';
import { metadataFile, parseMetadata } from './metadata.ts';
import { isSafeName, readJsonFile, readText, repeatedKeys, shown, type Findings } from './read-text.ts';
import { parseVocabulary, vocabularyFile } from './vocabulary.ts';

/** What this package knows of a task beyond the contract. */
export interface OpenedTask extends Task {
  readonly splits: ReadonlyMap<string, readonly TaskClip[]>;
  /** Rates that the directory has audio at, in Hz, ascending. */
  readonly sampleRates: readonly number[];
}

/** Messages of one kind after this many are counted instead of listed. */
const maxListed = 100;

export interface ReadTaskOptions {
  /** False for a directory of embeddings, which has no audio. Default true. */
  readonly withAudio?: boolean;
}

/** `task` is undefined when too little could be read to build one. */
export async function readTask(
  dir: string,
  { withAudio = true }: ReadTaskOptions = {},
): Promise<Findings & { task: OpenedTask | undefined }> {
  const findings: Findings = { faults: [], warnings: [] };
  const isFolder = await stat(dir).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    findings.faults.push(`${dir}: is not a folder`);
    return { ...findings, task: undefined };
  }
  const hash = createHash('sha256');
  const metadataJson = await readJsonFile(dir, metadataFile, findings);
  const metadata = metadataJson && parseMetadata(metadataJson.value, findings);
  const vocabularyText = await readText(dir, vocabularyFile, findings);
  const vocabulary = vocabularyText === undefined ? [] : parseVocabulary(vocabularyText, findings);
  if (!metadata) return { ...findings, task: undefined };
  hash
    .update(metadataJson.text)
    .update('\0')
    .update(vocabularyText ?? '');

  const indices = vocabulary.length > 0 ? new Map(vocabulary.map((label, i) => [label, i])) : undefined;
  const splits = new Map<string, TaskClip[]>();
  for (const split of metadata.splits.filter(isSafeName)) {
    const name = `${split}.json`;
    const json = await readJsonFile(dir, name, findings);
    if (!json) continue;
    hash.update('\0').update(json.text);
    for (const key of repeatedKeys(json.text)) findings.faults.push(`${name}: ${shown(key)} is there more than once`);
    splits.set(split, parseLabels(name, json.value, metadata, indices, findings));
  }
  reportUnused(splits, vocabulary, findings);
  const sampleRates = withAudio ? await readRates(dir, findings) : [];
  for (const rate of sampleRates)
    for (const [split, clips] of splits) await checkFiles(dir, rate, split, clips, findings);
  const task: OpenedTask = {
    id: idOf(dir, metadata),
    revision: `${metadata.version}${metadata.mode === undefined ? '' : `-${metadata.mode}`}@${hash.digest('hex').slice(0, 12)}`,
    dir: resolve(dir),
    metadata,
    vocabulary,
    splits,
    sampleRates,
    wavPath: (split, file, rate) => join(resolve(dir), String(nearestRate(sampleRates, rate)), split, file),
    ...(await noteOf(dir, metadata)),
  };
  return { ...findings, task };
}

/** The wanted rate, else the nearest higher, else the nearest lower: band is lost rather than missing. */
export function nearestRate(rates: readonly number[], wanted: number): number | undefined {
  const sorted = [...rates].sort((a, b) => a - b);
  return sorted.find((rate) => rate >= wanted) ?? sorted.at(-1);
}

function idOf(dir: string, { task_name: name, version, mode }: TaskMetadata): string {
  const suffix = `-${version}${mode === undefined ? '' : `-${mode}`}`;
  const folder = basename(resolve(dir));
  return folder.endsWith(suffix) && folder.length > suffix.length ? folder.slice(0, -suffix.length) : name;
}

async function noteOf(dir: string, metadata: TaskMetadata): Promise<{ note?: string }> {
  const note = metadata['note'];
  if (typeof note === 'string' && note !== '') return { note: note.slice(0, 4000) };
  const text = await readText(dir, 'NOTICE', { faults: [], warnings: [] });
  return text === undefined || text.trim() === '' ? {} : { note: text.trim().slice(0, 4000) };
}

async function readRates(dir: string, { faults }: Findings): Promise<number[]> {
  let names: string[];
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    names = entries.filter((entry) => !entry.isFile()).map(({ name }) => name); // folders, and links to them
  } catch (error) {
    faults.push(`${dir}: could not be listed (${messageOf(error)})`);
    return [];
  }
  const rates = names.filter((name) => /^[1-9]\d{2,6}$/.test(name)).map(Number);
  if (rates.length === 0) faults.push(`${dir}: holds no folder of audio named by its sample rate, such as 16000/`);
  return rates.sort((a, b) => a - b);
}

function reportUnused(
  splits: ReadonlyMap<string, readonly TaskClip[]>,
  vocabulary: readonly string[],
  { warnings }: Findings,
): void {
  const used = new Set([...splits.values()].flat().flatMap(({ labels }) => labels));
  const unused = vocabulary.filter((_, i) => !used.has(i));
  if (unused.length > 0) warnings.push(`${vocabularyFile}: ${unused.length} labels are on no clip: ${shown(unused)}`);
}

/** Every clip has a file in the split's folder; files without labels are a warning. */
async function checkFiles(
  dir: string,
  rate: number,
  split: string,
  clips: readonly TaskClip[],
  { faults, warnings }: Findings,
): Promise<void> {
  const folder = `${rate}/${split}`;
  let present: Set<string>;
  try {
    present = new Set(await readdir(join(dir, folder)));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    faults.push(
      `${folder}: ${isMissing ? 'the split’s folder is missing' : `could not be listed (${messageOf(error)})`}`,
    );
    return;
  }
  const missing = clips.filter(({ file }) => !present.has(file));
  for (const { file } of missing.slice(0, maxListed))
    faults.push(`${folder}/${file}: is missing, ${split}.json names it`);
  if (missing.length > maxListed) faults.push(`${folder}: ${missing.length - maxListed} more files are missing`);
  const named = new Set(clips.map(({ file }) => file));
  const extra = [...present].filter((file) => file.endsWith('.wav') && !named.has(file));
  if (extra.length > 0)
    warnings.push(`${folder}: ${extra.length} files have no label, such as ${shown(extra.sort()[0])}`);
}
