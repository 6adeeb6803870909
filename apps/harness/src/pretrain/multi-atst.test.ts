/** Methods that keep a teacher and share its student, and BEATs' masked prediction, combined as a user combines them. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atstClip, atstFrame } from '@unlabel/atst';
import { maskedPrediction } from '@unlabel/beats';
import { createRng, goldenTensor, type Batch, type Method, type Step } from '@unlabel/core';
import { expectAllClose, leakCheck, testEngine, tf, toArrays, valueAndGrads } from '@unlabel/engine';
import { incremental, joint, multi, type Joint } from '@unlabel/multi-ssl';
import { euclideanDistillation } from '@unlabel/objectives';
import { silentDisplay } from '../display/display.ts';
import { openModel, parseModel } from '../models/resolve.ts';
import { readLog } from '../run-dir.ts';
import { writeSounds } from '../testing/sounds.ts';
import { planOf } from './plan.ts';
import { pretrain } from './run.ts';

const folder = await mkdtemp(joinPath(tmpdir(), 'multi-atst-'));
const at = (...parts: string[]): string => joinPath(folder, ...parts);
const [clip, frame, beats] = [atstClip, atstFrame, maskedPrediction] as unknown as [Method, Method, Method];
beforeAll(async () => {
  await testEngine();
  await writeSounds(at('sounds'), { count: 10, seconds: 0.7 });
});
afterAll(async () => {
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto';
const run = (out: string, overrides: Record<string, unknown>): Promise<unknown> =>
  pretrain({
    method: 'multi:atst-clip,atst-frame',
    preset: 'smoke',
    overrides: { recipe: { steps: 3, batchSize: 4 }, ...overrides },
    data: [at('sounds')],
    seed: 3,
    out: at(out),
    engine: { engine, deterministic: true },
    workers: 1,
    checkpointSeconds: 0,
    display: silentDisplay,
  });
const weights = (...parts: string[]): Promise<Buffer> => readFile(at(...parts, 'model.safetensors'));
async function widthOf(out: string): Promise<number> {
  const embedder = await openModel(parseModel(at(out), 0));
  const embedding = await embedder.embedScenes([Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i / 9))]);
  expect(embedding.every(Number.isFinite)).toBe(true);
  embedder.dispose?.();
  return embedding.length;
}

describe('atst-clip, atst-frame', () => {
  test('il: Frame goes on with Clip’s network, class token and all, and what it forgets is measured', async () => {
    const { tensors } = await leakCheck(() => run('il', { strategy: 'il', distance: 'contrastive' }));
    expect(tensors).toBe(0);
    const handed = await weights('il/stages/atst-frame/model-init');
    expect(handed.equals(await weights('il/stages/atst-clip/model'))).toBe(true);
    expect(handed.equals(await weights('il/model'))).toBe(false);
    expect(await widthOf('il')).toBe(64); // two blocks of 16, class token and mean
    const forgetting = await readLog(at('il/stages/atst-frame/forgetting.jsonl'));
    expect(forgetting.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
    const losses = forgetting.map((line) => line['atst-clip']!);
    expect(losses.every((loss) => loss > 0)).toBe(true);
    expect(losses.at(-1)).not.toBe(losses[0]);
  });

  test('killed in its second stage, il ends with the same bytes', async () => {
    const args = ['pretrain', 'multi', '--stages', 'atst-clip,atst-frame', '--strategy', 'il', '--distance', 'contrastive', '--preset', 'smoke'];
    const options = ['--set', 'recipe.steps=3', '--set', 'recipe.batchSize=4', '--seed', '3', '--workers', '1', '--checkpoint-every', '0.001', '--deterministic'];
    const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
    const unlabel = (until?: () => boolean): Promise<string> =>
      new Promise((resolve) => {
        const command = ['--conditions=@unlabel/source', '--no-warnings', cli, ...args, ...options, '--engine', engine, '--data', at('sounds'), '--out', at('killed')];
        const child = spawn(process.execPath, command, { env: { ...process.env, UNLABEL_DISPLAY: 'none' } });
        let errors = '';
        child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
        const watch = setInterval(() => until?.() && child.kill('SIGKILL'), 5);
        child.on('close', (code, signal) => {
          clearInterval(watch);
          resolve(signal ?? `${code} ${errors}`);
        });
      });
    // from the end of its first stage, so that there is little to do before the kill
    await cp(at('il'), at('killed'), { recursive: true });
    for (const path of ['model', 'model-init', 'summary.json', 'stages/atst-frame']) await rm(at('killed', path), { recursive: true });
    const checkpoint = at('killed/stages/atst-frame/checkpoints/step-00000001.safetensors');
    expect(await unlabel(() => existsSync(checkpoint))).toBe('SIGKILL');
    expect(existsSync(at('killed/stages/atst-frame/summary.json'))).toBe(false);
    expect(await unlabel()).toBe('0 ');
    expect((await weights('killed/model')).equals(await weights('il/model'))).toBe(true);
  }); // prettier-ignore

  test('joint: one student, a teacher each; Clip’s is kept', async () => {
    const crop = { parts: { 'atst-frame': { config: { seconds: 0.4 } } } };
    const { tensors } = await leakCheck(() => run('joint', { strategy: 'joint', ...crop }));
    expect(tensors).toBe(0);
    expect(await widthOf('joint')).toBe(64);
    await expect(run('crops', { strategy: 'joint' })).rejects.toThrow(/different inputs \(seconds: 0\.4 and 0\.6\)/);
    const method = joint([clip, frame], 'joint', { weighting: 'fixed', weights: {} });
    const model = method.build(method.config.parse({ parts: configs() }), { rng: createRng(1) }) as Joint;
    const [a, b] = [model.models['atst-clip']!, model.models['atst-frame']!];
    expect(b.learner).toBe(a.learner);
    expect(model.learner).toBe(a.learner);
    expect(b.backbone).not.toBe(a.backbone);
    expect(model.backbone).toBe(a.backbone);
    expect([...model.trainable.keys()].filter((name) => name.endsWith('pos_embed'))).toHaveLength(1);
    for (const order of [
      [clip, frame],
      [frame, clip],
    ]) {
      const { crops, seconds } = joint(order, 'joint', { weighting: 'fixed', weights: {} }).input({ parts: configs() });
      expect([crops, seconds]).toEqual([2, 0.4]);
    }
  });

  test('concat: their networks side by side', async () => {
    const { tensors } = await leakCheck(() => run('concat', { strategy: 'concat' }));
    expect(tensors).toBe(0);
    expect(await widthOf('concat')).toBe(64 + 32);
  });

  test('progressive columns of a transformer are refused before anything is trained', async () => {
    await expect(run('progressive', { strategy: 'progressive' })).rejects.toThrow(/stages of atst cannot be connected/);
    expect(existsSync(at('progressive/stages/atst-clip/model'))).toBe(false);
  });
});

const configs = (): Record<string, { config: Record<string, unknown> }> => {
  const smoke = { ...clip.presets['smoke']!.config, dropPath: 0 };
  return { 'atst-clip': { config: smoke }, 'atst-frame': { config: { ...frame.presets['smoke']!.config, dropPath: 0, seconds: 0.4 } } }; // prettier-ignore
};
const step: Step = { index: 0, total: 4, epoch: 0, rng: createRng(1) };
const input = (name: string, shape: number[]) => tf.tensor(goldenTensor(`input:${name}`, 1, shape, 1).data, shape);

test('the distance holds the student, which the gradient moves, near the frozen network', () => {
  const config = clip.config.parse(configs()['atst-clip']!.config);
  const frozen = clip.build(config, { rng: createRng(2) }).backbone;
  const distillation = { distance: 'euclidean', beta: 3, temperature: 0.1 } as const;
  const method = incremental(clip, 'il', 'before', distillation);
  const model = method.build(config, { rng: createRng(1), upstream: { before: frozen } });
  for (const network of [model.learner!, model.backbone])
    expectAllClose(network.params.get('pos_embed')!, frozen.params.get('pos_embed')!, {});
  // as after some steps: the student has moved and the teacher has not followed yet
  const moved = model.learner!.params.get('pos_embed')!;
  moved.assign(tf.add(moved, input('shift', moved.shape)));
  const batch: Batch = { view1: input('v1', [4, 64, 40]), view2: input('v2', [4, 64, 40]) };
  const distance = euclideanDistillation(
    model.learner!.forward(batch['view1']!, { training: false }).clip,
    frozen.forward(batch['view1']!, { training: false }).clip,
  );
  expect(distance.dataSync()[0]).toBeGreaterThan(0.01);
  const own = valueAndGrads(model.trainable, () => clip.loss(model.inner, batch, step));
  const both = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
  expectAllClose(both.logs['distillation']!, distance, { rtol: 1e-5 });
  expectAllClose(both.loss, tf.add(own.loss, tf.mul(distance, 3)), { rtol: 1e-5 });
  const name = 'student.encoder.pos_embed';
  const change = tf.sum(tf.abs(tf.sub(both.grads.get(name)!, own.grads.get(name)!)));
  expect(change.dataSync()[0]).toBeGreaterThan(1e-3);
});

describe('a method combines with itself under other settings', () => {
  const again = (method: Method): Method => ({ ...method, id: `${method.id}-again` });
  const first = (pair: readonly Method[], strategy: string, parts: Record<string, unknown>) =>
    planOf(multi(pair), 'smoke', { strategy, parts }).parts[0]!;

  test('ATST with longer crops and a slower teacher, but not of another width', async () => {
    const pair = [clip, again(clip)];
    const other = (config: object) => ({ 'atst-clip-again': { config } });
    const { method, config } = first(pair, 'il', other({ seconds: 0.8, decay: 0.99 }));
    const model = method.build(config, { rng: createRng(1) });
    const later = incremental(pair[1]!, 'il', 'atst-clip', { distance: 'none', beta: 1, temperature: 0.1 });
    const settings = pair[1]!.config.parse({ ...pair[1]!.presets['smoke']!.config, seconds: 0.8, decay: 0.99 });
    const next = later.build(settings, { rng: createRng(2), upstream: { 'atst-clip': model.backbone } });
    expect(await toArrays(next.backbone.params)).toEqual(await toArrays(model.backbone.params));
    for (const strategy of ['il', 'joint'])
      expect(() => {
        const part = first(pair, strategy, other({ width: 32 }));
        part.method.build(part.config, { rng: createRng(1) });
      }).toThrow(/atst-clip-again: .*another atst.*width \(16 there, 32 here\)/);
  });

  test('masked prediction of BEATs with another share of masked patches: one network, codes of its own', () => {
    const pair = [beats, again(beats)];
    const { method, config } = first(pair, 'joint', { 'beats-iteration-again': { config: { maskRatio: 0.5 } } });
    const model = method.build(config, { rng: createRng(1) }) as Joint;
    expect(model.models['beats-iteration-again']!.backbone).toBe(model.models['beats-iteration']!.backbone);
    const x = input('x', [3, 128, 64]);
    const batch: Batch = { 'beats-iteration/x': x, 'beats-iteration-again/x': x };
    const { loss, logs, grads } = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
    expectAllClose(loss, tf.add(logs['beats-iteration']!, logs['beats-iteration-again']!), { rtol: 1e-6 });
    expect([...grads.keys()].some((name) => name.startsWith('beats-iteration-again.predictor'))).toBe(true);
    // as a later stage it labels with a random projection of its own: the network it goes on with is no tokenizer
    const later = incremental(pair[1]!, 'il', 'beats-iteration', { distance: 'none', beta: 1, temperature: 0.1 });
    const settings = beats.config.parse(beats.presets['smoke']!.config);
    expect(() => later.build(settings, { rng: createRng(2), upstream: { 'beats-iteration': model.backbone } })).not.toThrow(); // prettier-ignore
    const part = first(pair, 'il', { 'beats-iteration-again': { config: { layers: 2 } } });
    expect(() => part.method.build(part.config, { rng: createRng(1) })).toThrow(/layers \(1 there, 2 here\)/);
  });
});
