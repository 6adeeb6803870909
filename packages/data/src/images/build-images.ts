/**
 * Writes the embedded image suite: `<out>/images/<task>/…` in the layouts that image tasks have on disk (class folders, COCO,
 * VOC). Each task is built in a temporary folder and renamed when complete; what is complete is left alone. The same bytes on
 * every run.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError, isUnlabelError, unknownName } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import { removeAbandoned } from '../abandoned.ts';
import { requirePackages } from '../packages.ts';
import { readMarker, writeMarker, type BuildOptions, type BuiltPart } from '../parts.ts';
import { notice, treeHash } from '../task-files.ts';
import { differenceFrom } from '../verify-suite.ts';
import type { ImageSuiteTask } from './image-suite-task.ts';
import { imageTasks } from './index.ts';

/** Raised when the same packages give other bytes: finished tasks of another builder are built again. */
const builder = 1;
const temporaryPrefix = '.building-';

/**
 * @returns what became of each task, in order of id. One whose packages are missing is `failed` with the command that brings
 * them; the others are built.
 * @throws ConfigError for an unknown id; DataError when an image cannot be decoded
 */
export async function buildImages({
  out,
  only,
  onProgress,
  packagesFrom,
}: Omit<BuildOptions, 'suite' | 'threads'>): Promise<BuiltPart[]> {
  const ids = imageTasks.map(({ id }) => id);
  for (const id of only ?? []) if (!ids.includes(id)) throw new ConfigError(unknownName('task', id, ids));
  const wanted = imageTasks.filter(({ id }) => only?.includes(id) ?? true);
  const root = join(out, 'images');
  mkdirSync(root, { recursive: true });
  removeAbandoned(root, temporaryPrefix);
  const report: BuiltPart[] = [];
  for (const [i, task] of wanted.entries()) {
    onProgress?.({ phase: 'compose', done: i, total: wanted.length });
    report.push(readMarker(task.id, join(root, task.id), builder) ?? (await buildOne(task, root, packagesFrom)));
  }
  onProgress?.({ phase: 'compose', done: wanted.length, total: wanted.length });
  return report;
}

async function buildOne(task: ImageSuiteTask, root: string, packagesFrom: string | undefined): Promise<BuiltPart> {
  const { id } = task;
  const dir = join(root, id);
  const temporary = join(root, `${temporaryPrefix}${process.pid}-${id}`);
  const files = new Map<string, string>();
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(temporary, path)), { recursive: true });
    writeFileSync(join(temporary, path), content);
    files.set(path, sha256(content));
  };
  try {
    const folders = requirePackages(task.packages, packagesFrom);
    const clips = await task.build(folders, { write });
    write('NOTICE', notice(task.title, task.packages, task.note, folders));
    const hash = treeHash(files);
    writeMarker(temporary, { builder, id, hash, clips });
    rmSync(dir, { recursive: true, force: true });
    renameSync(temporary, dir);
    return { id, dir, state: 'built', hash, clips, ...differenceFrom(id, hash) };
  } catch (error) {
    if (!isUnlabelError(error)) throw error;
    return { id, dir, state: 'failed', fault: error.message };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
