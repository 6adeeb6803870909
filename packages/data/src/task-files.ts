/** A finished task on disk: metadata, vocabulary, labels, NOTICE, and the marker with the hash of it all (HEAR layout, §2). */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@unlabel/formats';
import type { SourcePackage } from './packages.ts';
import type { EventLabel, SuiteTask } from './task-plan.ts';

export const markerName = '.complete.json';

/** Labels of a split: file name → labels. */
export type SplitLabels = Readonly<Record<string, readonly string[] | readonly EventLabel[]>>;

export const taskFolderName = (task: SuiteTask): string => `${task.id}-${task.version}-full`;

/** `path → sha256`, relative paths with forward slashes. */
export type FileHashes = ReadonlyMap<string, string>;

/** SHA-256 over the sorted lines `<sha256>  <path>`. */
export function treeHash(files: FileHashes): string {
  const hash = createHash('sha256');
  for (const [path, digest] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${digest}  ${path}\n`);
  return hash.digest('hex');
}

/** Hashes of all files under `dir`, the marker aside. */
export function hashTree(dir: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.name === markerName) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(dir.length + 1).replaceAll('\\', '/'), sha256(readFileSync(path)));
  }
  return files;
}

/**
 * Licence and attribution of each package, and the texts that its licence asks to pass on.
 * @param folders of the packages, by name
 */
export function notice(
  title: string,
  packages: readonly SourcePackage[],
  note: string,
  folders: ReadonlyMap<string, string>,
): string {
  const citations = new Map<string, SourcePackage[]>();
  for (const source of packages) citations.set(source.citation, [...(citations.get(source.citation) ?? []), source]);
  const parts = [...citations].map(
    ([citation, sources]) =>
      `${sources.map(({ name, version }) => `${name}@${version}`).join('\n')}\nLicence: ${sources[0]!.licence}\n${citation}\n`,
  );
  const texts = packages.flatMap(({ name, noticeFiles }) =>
    noticeFiles.map((file) => `---- ${name}/${file} ----\n\n${readFileSync(join(folders.get(name)!, file), 'utf8')}`),
  );
  return [`${title}\n\n${note}\n`, 'Made from these npm packages:\n', ...parts, ...texts].join('\n');
}

/** Writes all files of a task but its clips. Adds their hashes to `files`. */
export function writeTaskFiles(
  dir: string,
  task: SuiteTask,
  vocabulary: readonly string[],
  splits: ReadonlyMap<string, SplitLabels>,
  files: Map<string, string>,
  folders: ReadonlyMap<string, string>,
): void {
  const write = (name: string, text: string): void => {
    writeFileSync(join(dir, name), text);
    files.set(name, sha256(text));
  };
  const names = [...splits.keys()];
  const metadata = {
    task_name: task.id,
    version: task.version,
    mode: 'full',
    default_mode: 'full',
    embedding_type: task.embeddingType,
    prediction_type: task.predictionType,
    split_mode: task.splitMode,
    splits: names,
    ...(task.splitMode === 'trainvaltest' ? {} : { nfolds: names.length }),
    sample_duration: task.sampleDuration,
    evaluation: task.evaluation,
    title: task.title,
    note: task.note,
    licence: [...new Set(task.packages.map(({ licence }) => licence))].join('; '),
    source_packages: task.packages.map(({ name, version }) => `${name}@${version}`),
  };
  write('task_metadata.json', `${JSON.stringify(metadata, null, 2)}\n`);
  write('labelvocabulary.csv', `idx,label\n${vocabulary.map((label, i) => `${i},${label}\n`).join('')}`);
  for (const [name, labels] of splits) write(`${name}.json`, `${JSON.stringify(labels, null, 1)}\n`);
  write('NOTICE', notice(task.title, task.packages, task.note, folders));
}

/** Folders for the clips of each split. */
export function makeSplitFolders(dir: string, splits: Iterable<string>): void {
  for (const split of splits) mkdirSync(join(dir, '16000', split), { recursive: true });
}
