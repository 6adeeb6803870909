/**
 * Writes an embedded suite. The audio suite in HEAR's layout: `<out>/tasks/<task>-v1-full/…`, `<out>/pretrain/…`, `<out>/NOTICE`. Each
 * task is built in a temporary folder and renamed when complete; what is complete is left alone. The same bytes on every run
 * and with any number of threads.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ConfigError, isUnlabelError, unknownName } from '@unlabel/core';
import { sha256, writeFileAtomic } from '@unlabel/formats';
import { removeAbandoned } from './abandoned.ts';
import { buildBinaural } from './binaural/build-binaural.ts';
import { buildImages } from './images/build-images.ts';
import { requirePackages, type SourcePackage } from './packages.ts';
import { readMarker, writeMarker, type BuildOptions, type BuiltPart } from './parts.ts';
import { labelledIn, pretrainIndex, pretrainPackages, pretrainRecordings, type PretrainRecording } from './pretrain.ts';
import { comparedSeconds, writeClip, type RenderJob, type RenderResult } from './render.ts';
import { renderAll } from './render-pool.ts';
import { suites, suiteTasks } from './suite/index.ts';
import { isPlain, recordingsOf, type Recording, type SuiteTask, type TaskPlan } from './task-plan.ts';
import { makeSplitFolders, notice, taskFolderName, treeHash, writeTaskFiles, type SplitLabels } from './task-files.ts';
import { differenceFrom } from './verify-suite.ts';

/** Raised when the same packages give other bytes: finished tasks of another builder are built again. */
const builder = 1;
const pretrainId = 'pretrain';
const temporaryPrefix = '.building-';

interface PlannedTask {
  readonly task: SuiteTask;
  readonly folders: ReadonlyMap<string, string>;
  readonly plan: TaskPlan;
}

interface Part {
  readonly id: string;
  readonly dir: string;
  readonly temporary: string;
  readonly files: Map<string, string>;
}

/**
 * @returns what became of each part, in order of id. A part whose packages are missing is `failed` with the command that
 * brings them; the others are built.
 * @throws ConfigError for an unknown suite or id; DataError when audio cannot be decoded or a file cannot be written
 */
export async function buildSuite(options: BuildOptions): Promise<BuiltPart[]> {
  if (options.suite === 'images') return buildImages(options);
  if (options.suite === 'binaural') return buildBinaural(options);
  const { out, onProgress, threads = availableParallelism() } = options;
  const wanted = partsOf(options.suite, options.only);
  const report = new Map<string, BuiltPart>();
  mkdirSync(join(out, 'tasks'), { recursive: true });

  const plans: PlannedTask[] = [];
  const isPlanned = (id: string): boolean => plans.some(({ task }) => task.id === id);
  const needsPlan = (task: SuiteTask): boolean => wanted.includes(task.id) || wanted.includes(pretrainId);
  for (const task of suiteTasks.filter(needsPlan)) {
    const dir = join(out, 'tasks', taskFolderName(task));
    const kept = readMarker(task.id, dir, builder);
    if (kept && wanted.includes(task.id)) report.set(task.id, kept);
    if (kept && !needsPretrain(wanted, out)) continue;
    try {
      const folders = requirePackages(task.packages, options.packagesFrom);
      plans.push({ task, folders, plan: task.plan(folders) });
    } catch (error) {
      if (!isUnlabelError(error)) throw error;
      if (wanted.includes(task.id)) report.set(task.id, { id: task.id, dir, state: 'failed', fault: error.message });
    }
  }

  removeAbandoned(out, temporaryPrefix);
  const temporary = join(out, `${temporaryPrefix}${process.pid}`);
  const parts: Part[] = wanted
    .filter((id) => id !== pretrainId && !report.has(id) && isPlanned(id))
    .map((id) => part(id, join(out, 'tasks', taskFolderName(taskOf(id))), temporary));
  try {
    const jobs = new Map<string, JobDraft>();
    for (const { id, temporary: dir } of parts)
      planJobs(
        plans.find(({ task }) => task.id === id)!,
        dir,
        jobs,
      );
    const pretrain = planPretrain(options, wanted, plans, temporary, jobs, report);
    const results = await decode(jobs, threads, onProgress);
    for (const item of parts) {
      const planned = plans.find(({ task }) => task.id === item.id)!;
      onProgress?.({ phase: 'compose', done: parts.indexOf(item), total: parts.length });
      const clips = finishTask(planned, item, results);
      report.set(item.id, publish(item, clips));
    }
    if (pretrain) report.set(pretrainId, finishPretrain(pretrain, plans, results));
    if (jobs.size > 0) await writeSuiteNotice(out, options.packagesFrom);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return wanted.map((id) => report.get(id)!);
}

const taskOf = (id: string): SuiteTask => suiteTasks.find((task) => task.id === id)!;
const part = (id: string, dir: string, temporary: string): Part => ({
  id,
  dir,
  temporary: join(temporary, id),
  files: new Map(),
});

function partsOf(suite: string, only: readonly string[] | undefined): string[] {
  const tasks = Object.hasOwn(suites, suite) ? suites[suite] : undefined;
  if (!tasks) throw new ConfigError(unknownName('suite', suite, Object.keys(suites)));
  const known = [...tasks, pretrainId];
  for (const id of only ?? []) if (!known.includes(id)) throw new ConfigError(unknownName('task', id, known));
  return known.filter((id) => only?.includes(id) ?? true).sort();
}

const needsPretrain = (wanted: readonly string[], out: string): boolean =>
  wanted.includes(pretrainId) && !readMarker(pretrainId, join(out, pretrainId), builder);

interface JobDraft {
  readonly recording: Recording;
  readonly outputs: { path: string; seconds: number; isPadded: boolean }[];
  keepSeconds: number;
}

function draftOf(jobs: Map<string, JobDraft>, recording: Recording): JobDraft {
  const draft = jobs.get(recording.id) ?? { recording, outputs: [], keepSeconds: 0 };
  jobs.set(recording.id, draft);
  return draft;
}

function planJobs({ task, plan }: PlannedTask, dir: string, jobs: Map<string, JobDraft>): void {
  makeSplitFolders(dir, plan.splits.keys());
  for (const [split, clips] of plan.splits) {
    for (const clip of clips) {
      for (const recording of recordingsOf(clip)) {
        const draft = draftOf(jobs, recording);
        const path = join(dir, '16000', split, clip.file);
        if (isPlain(clip)) draft.outputs.push({ path, seconds: task.sampleDuration, isPadded: true });
        else draft.keepSeconds = Math.max(draft.keepSeconds, Math.min(task.sampleDuration, 6));
      }
    }
  }
}

interface PretrainPart extends Part {
  readonly recordings: readonly PretrainRecording[];
}

function planPretrain(
  { out, packagesFrom }: BuildOptions,
  wanted: readonly string[],
  plans: readonly PlannedTask[],
  temporary: string,
  jobs: Map<string, JobDraft>,
  report: Map<string, BuiltPart>,
): PretrainPart | undefined {
  if (!wanted.includes(pretrainId)) return undefined;
  const dir = join(out, pretrainId);
  const kept = readMarker(pretrainId, dir, builder);
  if (kept) {
    report.set(pretrainId, kept);
    return undefined;
  }
  const recordings = pretrainRecordings(installedFolders(packagesFrom), plans);
  if (recordings.length === 0) {
    const fault = 'none of the packages with audio is installed. Run: npm install';
    report.set(pretrainId, { id: pretrainId, dir, state: 'failed', fault });
    return undefined;
  }
  const item = { ...part(pretrainId, dir, temporary), recordings };
  // the index compares with all labelled audio, also of tasks that are already there
  for (const { plan } of plans)
    for (const clips of plan.splits.values())
      for (const clip of clips) {
        for (const recording of recordingsOf(clip)) draftOf(jobs, recording);
      }
  mkdirSync(join(item.temporary, '16000'), { recursive: true });
  for (const recording of recordings) {
    const path = join(item.temporary, recording.file);
    draftOf(jobs, recording).outputs.push({ path, seconds: comparedSeconds, isPadded: false });
  }
  return item;
}

function installedFolders(from: string | undefined): Map<string, string> {
  const folders = new Map<string, string>();
  for (const source of pretrainPackages) {
    const found = findPackage(source, from);
    if (found) folders.set(source.name, found);
  }
  return folders;
}

function findPackage(source: SourcePackage, from: string | undefined): string | undefined {
  try {
    return requirePackages([source], from).get(source.name);
  } catch (error) {
    if (isUnlabelError(error)) return undefined;
    throw error;
  }
}

async function decode(
  jobs: ReadonlyMap<string, JobDraft>,
  threads: number,
  onProgress: BuildOptions['onProgress'],
): Promise<Map<string, RenderResult & { job: RenderJob }>> {
  const results = new Map<string, RenderResult & { job: RenderJob }>();
  if (jobs.size === 0) return results;
  await renderAll([...jobs.values()], threads, (result) => {
    results.set(result.id, { ...result, job: jobs.get(result.id)! });
    onProgress?.({ phase: 'decode', done: results.size, total: jobs.size });
  });
  return results;
}

type Results = ReadonlyMap<string, RenderResult & { job: RenderJob }>;

/** Hashes of what a worker wrote under a part's folder, by path relative to it. */
function collectHashes(results: Results, recordings: Iterable<Recording>, item: Part): void {
  for (const { id } of recordings) {
    const { job, outputHashes } = results.get(id)!;
    job.outputs.forEach(({ path }, i) => {
      const prefix = `${item.temporary}/`;
      const unix = path.replaceAll('\\', '/');
      if (unix.startsWith(prefix.replaceAll('\\', '/'))) item.files.set(unix.slice(prefix.length), outputHashes[i]!);
    });
  }
}

function finishTask({ task, folders, plan }: PlannedTask, item: Part, results: Results): number {
  const splits = new Map<string, SplitLabels>();
  let count = 0;
  for (const [split, clips] of plan.splits) {
    const labels: Record<string, SplitLabels[string]> = {};
    for (const clip of [...clips].sort((a, b) => (a.file < b.file ? -1 : 1))) {
      count++;
      if (isPlain(clip)) {
        labels[clip.file] = clip.labels;
        continue;
      }
      const composed = clip.compose(clip.recordings.map(({ id }) => results.get(id)!.samples!));
      const relative = `16000/${split}/${clip.file}`;
      const hash = writeClip(join(item.temporary, relative), composed.samples, task.sampleDuration);
      item.files.set(relative, hash);
      labels[clip.file] = composed.labels;
    }
    splits.set(split, labels);
  }
  const plain = [...plan.splits.values()].flat().filter(isPlain);
  collectHashes(
    results,
    plain.map(({ recording }) => recording),
    item,
  );
  writeTaskFiles(item.temporary, task, plan.vocabulary, splits, item.files, folders);
  return count;
}

function finishPretrain(item: PretrainPart, plans: readonly PlannedTask[], results: Results): BuiltPart {
  const { all, disjoint } = pretrainIndex(item.recordings, results, labelledIn(plans));
  const kept = new Set(all.map(({ id }) => id));
  collectHashes(
    results,
    item.recordings.filter(({ id }) => kept.has(id)),
    item,
  );
  for (const { id, file } of item.recordings) if (!kept.has(id)) rmSync(join(item.temporary, file));
  for (const [name, entries] of Object.entries({ all, disjoint })) {
    const text = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    writeFileSync(join(item.temporary, `${name}.jsonl`), text);
    item.files.set(`${name}.jsonl`, sha256(text));
  }
  return publish(item, all.length);
}

/** Marks a part complete and moves it to its place. */
function publish(item: Part, clips: number): BuiltPart {
  const hash = treeHash(item.files);
  writeMarker(item.temporary, { builder, id: item.id, hash, clips });
  rmSync(item.dir, { recursive: true, force: true });
  renameSync(item.temporary, item.dir);
  return { id: item.id, dir: item.dir, state: 'built', hash, clips, ...differenceFrom(item.id, hash) };
}

async function writeSuiteNotice(out: string, from: string | undefined): Promise<void> {
  const folders = installedFolders(from);
  const used = pretrainPackages.filter(({ name }) => folders.has(name));
  const note =
    'All audio is taken from the packages below, cut or padded, mixed to mono, resampled to 16 kHz, some of it summed.';
  await writeFileAtomic(join(out, 'NOTICE'), notice('Embedded audio suite of unlabel', used, note, folders));
}
