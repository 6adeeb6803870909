/** Methods of several stages, work between epochs, gradient accumulation: what the trainer does with them, killed or not. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createRng, defineMethod, type Batch, type Method } from '@unlabel/core';
import { expectAllClose, leakCheck, testEngine, tf } from '@unlabel/engine';
import { silentDisplay } from '../display/display.ts';
import { loadMethod } from '../load-method.ts';
import { openModel, parseModel } from '../models/resolve.ts';
import { readLog } from '../run-dir.ts';
import { writeSounds } from '../testing/sounds.ts';
import staged, { student, teacher } from '../testing/staged-method.ts';
import { gradients } from './gradients.ts';
import { planOf } from './plan.ts';
import { pretrain } from './run.ts';

const folder = await mkdtemp(join(tmpdir(), 'stages-'));
const data = join(folder, 'sounds');
const module = fileURLToPath(new URL('../testing/staged-method.ts', import.meta.url));
beforeAll(async () => {
  await testEngine();
  await writeSounds(data, { count: 9, seconds: 0.5 });
});
afterEach(() => delete process.env['UNLABEL_TEST_STOP']);
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const run = (out: string, overrides: Record<string, unknown>, workers: number): Promise<unknown> =>
  pretrain({
    method: module,
    preset: 'paper',
    overrides,
    data: [data],
    seed: 3,
    out: join(folder, out),
    engine: { engine: (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto', deterministic: true },
    workers,
    checkpointSeconds: 0,
    display: silentDisplay,
  });

const weights = (...parts: string[]): Promise<Buffer> => readFile(join(folder, ...parts, 'model.safetensors'));
/** 9 items, batches of 4, 6 epochs: epochs begin at steps 0, 3, 5, 7, 9 and 12. */
const six = { stages: { student: { recipe: { epochs: 6 } } } };

describe('stages', () => {
  test('run one after the other, each in its folder; the last one’s network is the run’s', async () => {
    const { tensors } = await leakCheck(() => run('whole', six, 2));
    expect(tensors).toBe(0);
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(
      ['config.json', 'env.json', 'model', 'model-init', 'stages', 'summary.json'].sort(),
    );
    expect((await weights('whole', 'model')).equals(await weights('whole', 'stages', 'student', 'model'))).toBe(true);
    // the same network in both stages: what it is compared with is the one that nothing has trained
    expect(
      (await weights('whole', 'model-init')).equals(await weights('whole', 'stages', 'teacher', 'model-init')),
    ).toBe(true);
    const log = await readLog(join(folder, 'whole/stages/teacher/log.jsonl'));
    expect(log.at(-1)!.step).toBe(6);
    const summary = JSON.parse(await readFile(join(folder, 'whole/summary.json'), 'utf8')) as { steps: number };
    expect(summary.steps).toBe(6 + 14); // of all stages
    const embedder = await openModel(parseModel(join(folder, 'whole'), 0));
    expect(embedder.sceneEmbeddingSize).toBe(8);
    embedder.dispose?.();
  });

  test('an epoch sees the targets that were set before it, however far ahead batches are made', async () => {
    const log = await readLog(join(folder, 'whole/stages/student/log.jsonl'));
    expect(log.map(({ step }) => step)).toEqual([5, 10, 14]);
    for (const { step, labelledIn } of log) expect(labelledIn).toBe(Math.floor(((step - 1) * 4) / 9));
  });

  test('stopped anywhere and run again, they end with the bytes of an unbroken run', async () => {
    const places = ['teacher:4', 'labels:0', 'student:3', 'labels:2', 'student:8'];
    for (const place of places) {
      process.env['UNLABEL_TEST_STOP'] = place;
      await expect(run('broken', six, 0)).rejects.toThrow(`stopped at ${place}`);
    }
    delete process.env['UNLABEL_TEST_STOP'];
    await run('broken', six, 0);
    for (const part of ['model', 'stages/teacher/model', 'stages/student/model']) {
      expect((await weights('broken', part)).equals(await weights('whole', part))).toBe(true);
    }
    const withoutTime = async (out: string) =>
      (await readLog(join(folder, out, 'stages/student/log.jsonl'))).map((line) => ({ ...line, seconds: 0 }));
    expect(await withoutTime('broken')).toEqual(await withoutTime('whole'));
    // the last moments of a run: its parts are there, what comes after them is not
    await rm(join(folder, 'broken/stages/student/summary.json'));
    await rm(join(folder, 'broken/model'), { recursive: true });
    await run('broken', six, 0);
    expect((await weights('broken', 'model')).equals(await weights('whole', 'model'))).toBe(true);
  });

  test('killed from the command line in the second stage, they go on there', async () => {
    const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
    const args = ['pretrain', module, '--data', data, '--seed', '3', '--workers', '1', '--checkpoint-every', '0.001'];
    const engine = process.env['UNLABEL_ENGINE'] ? ['--engine', process.env['UNLABEL_ENGINE']] : [];
    const unlabel = (stop: string) =>
      spawnSync(
        process.execPath,
        [
          '--conditions=@unlabel/source',
          '--no-warnings',
          cli,
          ...args,
          ...engine,
          '--deterministic',
          '--set',
          'stages.student.recipe.epochs=6',
          '--out',
          'killed',
        ],
        { cwd: folder, env: { ...process.env, UNLABEL_DISPLAY: 'none', UNLABEL_TEST_STOP: stop }, encoding: 'utf8' },
      );
    expect(unlabel('kill:student:4').signal).toBe('SIGKILL');
    const { status, stderr } = unlabel('');
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect((await weights('killed', 'model')).equals(await weights('whole', 'model'))).toBe(true);
  });

  test('recipes and fields are set for all stages or for one', () => {
    const { parts } = planOf(staged, 'paper', {
      width: 4,
      recipe: { lr: 0.1 },
      stages: { student: { width: 6, recipe: { lr: 0.2 } } },
    });
    expect(parts.map(({ config, recipe }) => [config['width'], recipe.lr])).toEqual([
      [4, 0.1],
      [6, 0.2],
    ]);
    expect(parts[0]!.recipe.steps).toBe(6);
    expect(() => planOf(staged, 'paper', { stages: { studnet: {} } })).toThrow(/unknown stage.*did you mean student/i);
    expect(() => planOf(teacher, 'paper', { stages: {} })).toThrow(/has no stages/);
  });

  test('orders that cannot run are refused with the reason', () => {
    const of = (...stages: ReturnType<NonNullable<Method['stages']>>): Method =>
      defineMethod({ ...staged, stages: () => stages } as Method);
    const a = { id: 'a', method: teacher as Method, config: {} };
    expect(() => planOf(of({ ...a, upstream: ['b'] }, { ...a, id: 'b' }), 'paper', {})).toThrow(
      /needs b, which is no earlier stage/,
    );
    expect(() => planOf(of(a, a), 'paper', {})).toThrow(/each once/);
    expect(() => planOf(of({ ...a, method: staged as Method }), 'paper', {})).toThrow(/stages of its own/);
    expect(() => planOf(of(), 'paper', {})).toThrow(/no stage/);
  });
});

test('accumulated gradients are those of the whole batch, and only where the method says that they can be', async () => {
  // evaluation statistics, so that rows do not see each other
  const method = defineMethod({
    ...teacher,
    loss: (model: ReturnType<typeof teacher.build>, { x }: Batch) => {
      const { clip } = model.backbone.forward(x!, { training: false });
      const loss = tf.mean(tf.square(model.head.forward(clip, { training: true })));
      return { loss: loss as never, logs: { level: tf.mean(clip) as never } };
    },
  } as Method);
  const model = method.build({ width: 8 }, { rng: createRng(1) });
  const rng = createRng(2);
  const batch = {
    x: tf.tensor(
      Float32Array.from({ length: 6 * 16 * 16 }, () => rng.normal()),
      [6, 16, 16],
    ),
  };
  const step = { index: 0, total: 1, epoch: 0, rng };
  const whole = gradients(method, model, batch, step, 1);
  const { tensors } = await leakCheck(() => {
    const parts = gradients(method, model, batch, step, 3);
    expectAllClose(parts.loss, whole.loss, { rtol: 1e-5 });
    expectAllClose(parts.logs['level']!, whole.logs['level']!, { rtol: 1e-5 });
    expect([...parts.grads.keys()].sort()).toEqual([...whole.grads.keys()].sort());
    for (const [name, grad] of whole.grads) expectAllClose(parts.grads.get(name)!, grad, { atol: 1e-6, rtol: 1e-4 });
    tf.dispose([parts.loss, ...Object.values(parts.logs), ...parts.grads.values()]);
  });
  expect(tensors).toBe(0);
  expect(planOf(teacher, 'paper', { recipe: { accumulate: 2 } }).parts[0]!.recipe.accumulate).toBe(2);
  expect(() => planOf(teacher, 'paper', { recipe: { accumulate: 3 } })).toThrow(/does not divide into 3/);
  expect(() => planOf(student, 'paper', { recipe: { accumulate: 2 } })).toThrow(/whole batch at once/);
});

test('a method is an id or a module', async () => {
  expect((await loadMethod(module)).id).toBe('test-stages');
  await expect(loadMethod('./none.ts')).rejects.toThrow(/no such module/);
  await expect(loadMethod('delores')).rejects.toThrow(/delores-s/);
  await expect(loadMethod(fileURLToPath(new URL('./order.ts', import.meta.url)))).rejects.toThrow(/default export/);
});
