import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resultSchema, type GoldenFile, type GoldenTools } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import { afterAll, expect, test } from 'vitest';
import { readEmbeddingDir } from './embedding-dir.ts';
import { hearPredictor } from './goldens.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/hear-predictor', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'unlabel-predict-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Finished {
  readonly code: number | null;
  readonly out: string;
}

/** The command as a user runs it; killed after `killAfter` ms, when given. */
function predict(args: readonly string[], killAfter?: number): Promise<Finished> {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const engine = ['--engine', 'wasm', '--workers', '2', '--display', 'none'];
  const child = spawn(process.execPath, [
    '--conditions=@unlabel/source',
    '--no-warnings',
    cli,
    'predict',
    ...args,
    ...engine,
  ]);
  let out = '';
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (out += bytes.toString()));
  if (killAfter !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfter);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out })));
}

test('scores of the official tool’s stored predictions are its own to 1e-12', async () => {
  const golden = JSON.parse(readFileSync(join(fixtures, 'hear-predictor.json'), 'utf8')) as GoldenFile;
  const found = await hearPredictor.run(golden, { dir: fixtures } as GoldenTools);
  const expected = Object.entries(hearPredictor.expected(golden));
  expect(expected).toHaveLength(32);
  for (const [name, value] of expected) expect(Math.abs(Number(found[name]) - Number(value)), name).toBeLessThan(1e-12);
});

test('directories of the embedding stage are read: scenes, labels, folds, frames with their times', async () => {
  const folds = await readEmbeddingDir(join(fixtures, 'toyfolds-v1-full'));
  expect([...folds.embedded.keys()]).toEqual(['fold00', 'fold01', 'fold02', 'fold03', 'fold04']);
  expect(folds.embedded.get('fold02')!.labels).toHaveLength(125);
  const events = await readEmbeddingDir(join(fixtures, 'toyevents-v1-full'));
  const { frames, embeddings, files } = events.embedded.get('test')!;
  expect(frames!.offsets.at(-1)).toBe(embeddings!.data.length / embeddings!.width);
  expect(files).toHaveLength(6);
});

/** Two short trainings a task: `--grid faster` ends after ten epochs. */
const quick = ['--grid', 'faster'];

test(
  'a killed run goes on to the same bytes but for times, with the official tool’s fields',
  { timeout: 120_000 },
  async () => {
    const dir = join(fixtures, 'toyfolds-v1-full');
    const whole = join(work, 'whole');
    expect(await predict([dir, '-o', whole, ...quick])).toMatchObject({ code: 0 });
    const cut = join(work, 'cut');
    for (const killAfter of [1800, 2600]) await predict([dir, '-o', cut, ...quick], killAfter);
    expect(await predict([dir, '-o', cut, ...quick])).toMatchObject({ code: 0 });
    const folder = 'results/hear-predictor';
    const names = readdirSync(join(whole, folder)).sort();
    expect(names).toHaveLength(3);
    expect(readdirSync(join(cut, folder)).sort()).toEqual(names);
    const official = names.find((name) => name.endsWith('.test.predicted-scores.json'))!;
    const untimed = (text: string): string => text.replace(/"(time_in_min\w*|probeSeconds)": [\d.e-]+/g, '"$1": 0');
    for (const name of names) {
      const [a, b] = [whole, cut].map((out) => untimed(readFileSync(join(out, folder, name), 'utf8')));
      expect(b, name).toBe(a);
    }
    const fields = (value: unknown): string[] => Object.keys(value as object).sort();
    const ours = (await readJson(join(whole, folder, official))) as Record<string, object>;
    const theirs = (await readJson(join(dir, 'expected.test.predicted-scores.json'))) as Record<string, object>;
    expect(fields(ours)).toEqual(fields(theirs));
    for (const part of ['fold00', 'fold04', 'aggregated_scores', 'hparams']) {
      expect(fields(ours[part]), part).toEqual(fields(theirs[part]));
    }
    const result = resultSchema.parse(
      await readJson(join(whole, folder, official.replace('.test.predicted-scores', ''))),
    );
    expect(result.metrics['top1_acc']!.value).toBeGreaterThan(0.4);
  },
);

test('an event task’s file has the official fields too', { timeout: 60_000 }, async () => {
  const dir = join(fixtures, 'toyevents-v1-full');
  const out = join(work, 'events');
  expect(await predict([dir, '-o', out, ...quick])).toMatchObject({ code: 0 });
  const folder = join(out, 'results/hear-predictor');
  const official = readdirSync(folder).find((name) => name.endsWith('.test.predicted-scores.json'))!;
  const [ours, theirs] = [join(folder, official), join(dir, 'expected.test.predicted-scores.json')].map(
    (path) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, object>,
  ) as [Record<string, object>, Record<string, object>];
  expect(Object.keys(ours['test']!).sort()).toEqual(Object.keys(theirs['test']!).sort());
  expect(ours['postprocessing']).toEqual([
    ['median_filter_ms', 250],
    ['min_duration', expect.any(Number)],
  ]);
});

test('faults name the file, and what was finished stays', { timeout: 60_000 }, async () => {
  const dir = join(work, 'broken');
  cpSync(join(fixtures, 'toyclass-v1-full'), dir, { recursive: true });
  const embeddings = join(dir, 'valid.embeddings.npy');
  const bytes = readFileSync(embeddings);
  writeFileSync(embeddings, bytes.subarray(0, bytes.length - 4));
  const short = await predict([dir, '-o', join(work, 'x')]);
  expect(short).toMatchObject({ code: 1 });
  expect(short.out).toContain('valid.embeddings.npy: expected 200 x 64 float32 = 51200 bytes');
  bytes.writeFloatLE(NaN, 400);
  writeFileSync(embeddings, bytes);
  const nan = await predict([dir, '-o', join(work, 'x'), ...quick]);
  expect(nan.code).toBe(1);
  expect(nan.out).toContain('validation clips: the embedding of clip 1 is NaN');
  expect(existsSync(join(work, 'x/results'))).toBe(false);
});
