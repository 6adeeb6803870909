/** `pretrain --from MODEL`: a run begins with a trained network, as its first stage's start or in its place. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRng } from '@unlabel/core';
import { deloresS } from '@unlabel/delores';
import { leakCheck, testEngine, tf } from '@unlabel/engine';
import { saveModelDir } from '@unlabel/zoo';
import { readModelConfig, shippedDir } from '@unlabel/zoo/files';
import { silentDisplay } from '../display/display.ts';
import { readLog } from '../run-dir.ts';
import { writeSounds } from '../testing/sounds.ts';
import { exportRun } from '../zoo/export.ts';
import { importFile } from '../zoo/import.ts';
import { pretrain, runPretrain } from './run.ts';

const folder = await mkdtemp(join(tmpdir(), 'given-'));
const at = (...parts: string[]): string => join(folder, ...parts);
const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto';
beforeAll(async () => {
  await testEngine();
  await writeSounds(at('sounds'), { count: 4, seconds: 0.7 });
});
afterAll(async () => {
  vi.restoreAllMocks();
  tf.disposeVariables();
  await rm(folder, { recursive: true });
});

const run = (method: string, out: string, from?: string, overrides: Record<string, unknown> = {}): Promise<unknown> =>
  pretrain({
    method,
    preset: 'smoke',
    overrides: { recipe: { steps: 2, batchSize: 2 }, ...overrides },
    ...(from !== undefined && { from }),
    data: [at('sounds')],
    seed: 3,
    out: at(out),
    engine: { engine, deterministic: true },
    workers: 1,
    checkpointSeconds: 60,
    display: silentDisplay,
  });
const weights = (...parts: string[]): Promise<Buffer> => readFile(at(...parts, 'model.safetensors'));
const isSame = async (a: string, b: string): Promise<boolean> => (await weights(a)).equals(await weights(b));

describe('beats', () => {
  test('distils a tokenizer from a network imported from its authors’ file, of another size than its own', async () => {
    const fixtures = join(dirname(fileURLToPath(import.meta.resolve('@unlabel/zoo/package.json'))), 'fixtures/import');
    const options = { strict: true, dtype: 'float32', licence: 'MIT' } as const;
    await importFile(join(fixtures, 'beats-small.pt'), { out: at('official'), ...options });
    const { tensors } = await leakCheck(() => run('beats', 'distilled', at('official')));
    expect(tensors).toBe(0);
    expect((await readdir(at('distilled/stages'))).sort()).toEqual(['iter2', 'tokenizer2']);
    const log = (await readLog(at('distilled/stages/tokenizer2/log.jsonl'))).at(-1)!;
    expect(Math.abs(log['cosine']!)).toBeLessThanOrEqual(1);
    const widthOf = async (dir: string) => (await readModelConfig(at(dir))).backbone.config['width'];
    expect(await widthOf('distilled/stages/tokenizer2/model')).not.toBe(await widthOf('official'));
    expect(await isSame('distilled/model', 'distilled/model-init')).toBe(false);
    const card = {
      licence: 'Apache-2.0',
      dtype: 'float16',
      data: [],
      id: 'beats_d24.beats_given',
      out: at('card'),
    } as const;
    const { training } = await exportRun(at('distilled'), card);
    expect(training!.command).toContain(
      'npx unlabel pretrain beats --preset smoke --from official --set stages.tokenizer2',
    );
    // it goes on from that network alone
    await expect(run('beats', 'distilled', at('distilled'))).rejects.toThrow(/another configuration.*from\./);
  });

  test('needs a stage beside the one that is replaced, sets nothing in it, and is taught by a network of beats', async () => {
    const network = at('official');
    await expect(run('beats', 'none', network, { iterations: 1 })).rejects.toThrow(/no stage to run beside iter1/);
    await expect(run('beats', 'none', network, { stages: { iter1: { maskRatio: 0.5 } } })).rejects.toThrow(
      /iter1 is not run/,
    );
    await expect(run('beats', 'none', at('distilled/stages/tokenizer2'))).rejects.toThrow(
      /expected one beats network as teacher, found beats-tokenizer/,
    );
  });
});

describe('a method that trains one network', () => {
  beforeAll(async () => {
    const config = deloresS.config.parse(deloresS.presets['smoke']!.config);
    const { backbone, trainable, state } = deloresS.build(config, { rng: createRng(11) });
    await saveModelDir(at('start'), backbone, {
      schema: 1,
      method: 'delores-s',
      methodConfig: config,
      backbone: { id: backbone.id, config: { ...backbone.config } },
      input: { ...deloresS.input(config) },
      normalization: null,
      training: { seed: 11, steps: 9, items: 4, sawUnlabelled: ['some-task'] },
    });
    tf.dispose([...new Set([...trainable.values(), ...state.values()])]);
  });

  test('starts from the given one, and keeps which tasks were heard', async () => {
    vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    await runPretrain('delores-s', {
      data: [at('sounds')],
      preset: 'smoke',
      from: at('start'),
      set: ['recipe.steps=2', 'recipe.batchSize=2'],
      out: at('alone'),
      seed: 3,
      workers: 1,
      display: 'none',
      checkpointEvery: '60',
      engine,
    });
    expect(await isSame('alone/model-init', 'start')).toBe(true);
    expect(await isSame('alone/model', 'start')).toBe(false);
    expect((await readModelConfig(at('alone/model'))).training.sawUnlabelled).toEqual(['some-task']);
  });

  test('is a student whose teacher begins as it is, and is kept', async () => {
    const recipe = { steps: 4, batchSize: 2 };
    await run('atst-clip', 'taught', undefined, { recipe });
    await run('atst-clip', 'taught-on', at('taught'), { recipe });
    expect(await isSame('taught-on/model-init', 'taught/model')).toBe(true);
    expect(await isSame('taught-on/model', 'taught/model')).toBe(false);
  });

  test('refuses what does not fit, and says why', async () => {
    await expect(run('delores-s', 'none', at('start'), { width: 16 })).rejects.toThrow(/differs in .*there.*here/);
    await expect(run('beats', 'none', at('start'))).rejects.toThrow(
      /takes another input than beats \(sampleRate|frontEnd/,
    );
    await expect(run('delores-s', 'none', at('sounds'))).rejects.toThrow(/holds no model/);
    await expect(run('delores-s', 'none', 'chance')).rejects.toThrow(/--from chance: expected a run, a model folder/);
    const atst = join(shippedDir, 'ast_d128.atst-clip_quickstart');
    await expect(run('atst-clip', 'none2', atst)).rejects.toThrow(
      /another atst than the method's: .*width \(128 there, 16 here\)/,
    );
  });
});
