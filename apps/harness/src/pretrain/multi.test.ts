/** Combinations of registered methods as a user makes them: every strategy trains, goes on after a stop, and embeds. */
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRng, type Batch, type Method } from '@unlabel/core';
import { expectAllClose, leakCheck, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { deloresM, deloresS } from '@unlabel/delores';
import { incremental, joint, multi, type Joint } from '@unlabel/multi-ssl';
import { euclideanDistillation } from '@unlabel/objectives';
import { silentDisplay } from '../display/display.ts';
import { loadMethod } from '../load-method.ts';
import { openModel, parseModel } from '../models/resolve.ts';
import { readLog } from '../run-dir.ts';
import { writeSounds } from '../testing/sounds.ts';
import { teacher } from '../testing/staged-method.ts';
import { planOf } from './plan.ts';
import { pretrain } from './run.ts';

const folder = await mkdtemp(join(tmpdir(), 'multi-'));
const data = join(folder, 'sounds');
const both = [deloresS, deloresM] as unknown as readonly Method[];
beforeAll(async () => {
  await testEngine();
  await writeSounds(data, { count: 10, seconds: 0.6 });
});
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const run = (out: string, overrides: Record<string, unknown>): Promise<unknown> =>
  pretrain({
    method: 'multi:delores-s,delores-m',
    preset: 'smoke',
    overrides: { recipe: { steps: 2, batchSize: 4 }, ...overrides },
    data: [data],
    seed: 3,
    out: join(folder, out),
    engine: { engine: (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto', deterministic: true },
    workers: 1,
    checkpointSeconds: 0,
    display: silentDisplay,
  });
const weights = (...parts: string[]): Promise<Buffer> => readFile(join(folder, ...parts, 'model.safetensors'));

async function widthOf(out: string): Promise<number> {
  const embedder = await openModel(parseModel(join(folder, out), 0));
  const clip = Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i / 9));
  const embedding = await embedder.embedScenes([clip]);
  expect(embedding.every(Number.isFinite)).toBe(true);
  embedder.dispose?.();
  return embedding.length;
}

describe('il', () => {
  test('the second method goes on with the first one’s network, and what it forgets is measured', async () => {
    const { tensors } = await leakCheck(() => run('il', { strategy: 'il', distance: 'contrastive' }));
    expect(tensors).toBe(0);
    const handed = await weights('il/stages/delores-m/model-init');
    expect(handed.equals(await weights('il/stages/delores-s/model'))).toBe(true);
    expect(handed.equals(await weights('il/model'))).toBe(false);
    expect(await widthOf('il')).toBe(32);
    const log = (await readLog(join(folder, 'il/stages/delores-m/log.jsonl'))).at(-1)!;
    expect(log['own']! + log['distillation']!).toBeCloseTo(log['loss']!, 4);
    const forgetting = await readLog(join(folder, 'il/stages/delores-m/forgetting.jsonl'));
    expect(forgetting.map(({ step }) => step)).toEqual([0, 1, 2]);
    for (const line of forgetting) expect(line['delores-s']).toBeGreaterThan(0);
    expect(new Set(forgetting.map((line) => line['delores-s'])).size).toBe(3);
    expect(await readFile(join(folder, 'il/forgetting.svg'), 'utf8')).toContain('delores-s');
  });

  test('its loss is the method’s own and β times the distance to the frozen network', () => {
    const config = deloresS.config.parse(deloresS.presets['smoke']!.config);
    const frozen = deloresS.build(config, { rng: createRng(2) }).backbone;
    const distillation = { distance: 'euclidean', beta: 3, temperature: 0.1, view: 'view1' } as const;
    const method = incremental(both[0]!, 'il', 'before', distillation);
    const model = method.build(config, { rng: createRng(1), upstream: { before: frozen } });
    expectAllClose(model.backbone.params.get('fc.0.weight')!, frozen.params.get('fc.0.weight')!, {});
    const batch = {
      view1: tf.randomNormal([4, 64, 40], 0, 1, 'float32', 1),
      view2: tf.randomNormal([4, 64, 40], 0, 1, 'float32', 2),
    };
    const step = { index: 0, total: 1, epoch: 0, rng: createRng(1) };
    const distance = euclideanDistillation(
      model.backbone.forward(batch.view1, { training: true }).clip,
      frozen.forward(batch.view1, { training: false }).clip,
    );
    const own = deloresS.loss(model.inner as never, batch, step).loss;
    const { loss, logs, grads } = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
    expectAllClose(logs['distillation']!, distance, { rtol: 1e-5 });
    expectAllClose(loss, tf.add(own, tf.mul(distance, 3)), { rtol: 1e-5 });
    expect(grads.size).toBe(model.trainable.size);
    expect(() =>
      incremental(both[0]!, 'il', 'before', { ...distillation, view: 'view9' }).loss(model, batch, step),
    ).toThrow(/batch has view1, view2, not view9/);
  });
});

test('progressive: a new column beside the frozen network of the first', async () => {
  const { tensors } = await leakCheck(() => run('progressive', { strategy: 'progressive' }));
  expect(tensors).toBe(0);
  expect(await widthOf('progressive')).toBe(32);
  const { parseSafetensors } = await import('@unlabel/formats');
  const column = parseSafetensors(await weights('progressive/model'));
  const first = parseSafetensors(await weights('progressive/stages/delores-s/model'));
  expect(column.readFloat32('frozen.fc.0.weight')).toEqual(first.readFloat32('fc.0.weight'));
  expect(column.names).toContain('lateral.stage1.weight');
});

test('concat: every method alone, their networks side by side', async () => {
  const { tensors } = await leakCheck(() => run('concat', { strategy: 'concat' }));
  expect(tensors).toBe(0);
  expect(await widthOf('concat')).toBe(64);
});

describe('joint', () => {
  test('trains, and its gradient is the weighted sum of the methods’ own', async () => {
    const { tensors } = await leakCheck(() => run('joint', { strategy: 'joint', weighting: 'uncertainty' }));
    expect(tensors).toBe(0);
    expect(await widthOf('joint')).toBe(32);
    const method = joint(both, 'joint', { weighting: 'fixed', weights: { 'delores-m': 0.5 } });
    const smoke = multi(both).presets['smoke']!.config!;
    const config = method.config.parse({ parts: smoke['parts'] });
    const model = method.build(config, { rng: createRng(1) }) as Joint;
    const x = (name: string) => tf.randomNormal([4, 64, 40], 0, 1, 'float32', name.length);
    const names = ['delores-s/view1', 'delores-s/view2', 'delores-m/view1', 'delores-m/view2'];
    const batch: Batch = Object.fromEntries(names.map((name, i) => [name, x('x'.repeat(i + 1))]));
    const step = { index: 0, total: 1, epoch: 0, rng: createRng(1) };
    const together = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
    const name = 'delores-s.backbone.features.4.weight';
    const own = both.map((one) => {
      const rows = { view1: batch[`${one.id}/view1`]!, view2: batch[`${one.id}/view2`]! };
      const inner = model.models[one.id]!;
      return valueAndGrads(inner.trainable, () => one.loss(inner, rows, { ...step, rng: step.rng.fork(one.id) }));
    });
    expectAllClose(together.loss, tf.add(own[0]!.loss, tf.mul(own[1]!.loss, 0.5)), { rtol: 1e-5 });
    const sum = tf.add(
      own[0]!.grads.get('backbone.features.4.weight')!,
      tf.mul(own[1]!.grads.get('backbone.features.4.weight')!, 0.5),
    );
    const error = tf.div(tf.norm(tf.sub(together.grads.get(name)!, sum)), tf.norm(sum));
    expectAllClose(error, 0, { atol: 1e-3 });
    // the shared network stands once
    expect(new Set(model.trainable.values()).size).toBe(model.trainable.size);
    expect([...model.trainable.keys()].filter((key) => key.endsWith('backbone.features.4.weight'))).toEqual([name]);
  });
});

test('a stopped combination goes on from the command line to the same bytes', async () => {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const engine = process.env['UNLABEL_ENGINE'] ? ['--engine', process.env['UNLABEL_ENGINE']] : [];
  const args = [
    'pretrain',
    'multi',
    '--stages',
    'delores-s,delores-m',
    '--strategy',
    'il',
    '--distance',
    'contrastive',
  ];
  const options = [
    '--preset',
    'smoke',
    '--set',
    'recipe.steps=2',
    '--set',
    'recipe.batchSize=4',
    '--seed',
    '3',
    '--workers',
    '1',
    '--data',
    data,
  ];
  // a run that got as far as the end of its first stage
  const first = join(folder, 'stopped');
  await cp(join(folder, 'il'), first, { recursive: true });
  for (const path of ['model', 'model-init', 'summary.json', 'stages/delores-m'])
    await rm(join(first, path), { recursive: true });
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      '--conditions=@unlabel/source',
      '--no-warnings',
      cli,
      ...args,
      ...options,
      ...engine,
      '--deterministic',
      '--out',
      first,
    ],
    { cwd: folder, env: { ...process.env, UNLABEL_DISPLAY: 'none' }, encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect((await weights('stopped/model')).equals(await weights('il/model'))).toBe(true);
});

test('ten lines of TypeScript', async () => {
  const module = join(folder, 'mine.ts');
  const source = fileURLToPath(import.meta.resolve('@unlabel/multi-ssl'));
  const delores = fileURLToPath(import.meta.resolve('@unlabel/delores'));
  await writeFile(
    module,
    `import { multi } from '${source}';\nimport { deloresM, deloresS } from '${delores}';\nexport default multi([deloresM, deloresS]);\n`,
  );
  const { parts } = planOf(await loadMethod(module), 'smoke', { strategy: 'il' });
  expect(parts.map(({ stage }) => stage)).toEqual(['delores-m', 'delores-s']);
});

describe('what cannot work is refused with the reason', () => {
  const changed = (method: Method, change: Partial<Method>): Method => ({ ...method, ...change });
  const [s, m] = both as [Method, Method];

  test.each([
    ['one method', () => multi([s]), /two methods or more/],
    ['a method twice', () => multi([s, s]), /stands twice/],
    [
      'another modality',
      () => multi([s, changed(m, { card: { ...m.card, modality: 'image' } })]),
      /learns from audio, delores-m from image/,
    ],
    ['a method of stages', () => multi([s, changed(m, { stages: () => [] })]), /stages of its own/],
    [
      'another front-end',
      () => planOf(multi(both), 'smoke', { parts: { 'delores-m': { config: { padMode: 'constant' } } } }),
      /different inputs \(frontEnd: .*parts\.delores-m\.config/,
    ],
    [
      'another crop in one batch',
      () => planOf(multi(both), 'smoke', { strategy: 'joint', parts: { 'delores-m': { config: { seconds: 0.5 } } } }),
      /different inputs \(seconds: 0\.4 and 0\.5\)/,
    ],
    [
      'a weight of nobody',
      () => planOf(multi(both), 'smoke', { strategy: 'joint', weights: { byol: 1 } }),
      /weights\.byol: no such method/,
    ],
  ])('%s', (_name, make, reason) => expect(make).toThrow(reason));

  const buildFirst = (method: Method, overrides: Record<string, unknown>) => {
    const [part] = planOf(method, 'smoke', overrides).parts;
    return part!.method.build(part!.config, { rng: createRng(1) });
  };

  test('another network, before anything is trained', () => {
    const wide = { parts: { 'delores-m': { config: { width: 48 } } } };
    for (const strategy of ['il', 'progressive', 'joint']) {
      expect(() => buildFirst(multi(both), { strategy, ...wide })).toThrow(/delores-m: .*width \(32 there, 48 here\)/);
    }
  });

  test('a method that cannot share its network', () => {
    const alone = changed(teacher as unknown as Method, {
      presets: s.presets,
      input: () => s.input(s.config.parse(s.presets['smoke']!.config)),
    });
    const smoke = { ...s.presets['smoke']!, config: {} };
    const combined = multi([s, changed(alone, { presets: { smoke } })]);
    expect(() => buildFirst(combined, {})).toThrow(/test-teacher trains a network of its own/);
  });
});
