import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goldenParameter, sizeOf } from '@unlabel/core';
import { encodeSafetensors } from '@unlabel/formats';
import { afterAll, describe, expect, test } from 'vitest';
import { keyMaps } from '../maps/index.ts';
import type { Container, ForeignTensor } from './container.ts';
import { importCheckpoint, importContainer, type Imported } from './index.ts';

const fixtures = fileURLToPath(new URL('../../fixtures', import.meta.url));
const file = (name: string): string => join(fixtures, 'import', name);
const work = mkdtempSync(join(tmpdir(), 'zoo-import-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Parameter lists of the official implementations, by golden; `name[2,3]` each. */
const lists = JSON.parse(readFileSync(join(fixtures, 'key-lists.json'), 'utf8')) as Record<string, string>;

function containerOf(list: string, change: (tensors: Map<string, ForeignTensor>) => void = () => {}): Container {
  const tensors = new Map<string, ForeignTensor>();
  for (const item of list.split(' ')) {
    const [, name, dims] = /^(.*)\[(.*)\]$/.exec(item)!;
    const shape = dims === '' ? [] : dims!.split(',').map(Number);
    tensors.set(name!, {
      shape,
      dtype: 'F32',
      read: () => Promise.resolve({ data: new Float32Array(Math.min(4, sizeOf(shape))), shape }),
    });
  }
  change(tensors);
  return { kind: 'torch', tensors, root: undefined, close: () => Promise.resolve() };
}

/** Upstream, and part where the first is not meant. */
const upstreamOf = (name: string): [string, string?] => {
  if (name.startsWith('beats-tokenizer')) return ['beats-tokenizer'];
  if (name.startsWith('beats')) return ['beats'];
  if (name === 'atst-checkpoints:params_clip' || name === 'atst-checkpoints:params_frame') return ['atst', 'student'];
  if (name.startsWith('atst')) return ['atst'];
  if (/^(byola|byols|delores)/.test(name)) return ['audio-ntt'];
  if (name.startsWith('mtslvr')) return ['mt-slvr'];
  if (name.startsWith('wavlm')) return ['wavlm'];
  if (name.startsWith('w2v2')) return ['wav2vec2-conformer'];
  if (name === 'ckpt-dino-tiny:params_student') return ['dino', 'student'];
  if (/dino/.test(name)) return ['dino'];
  if (name === 'ckpt-moco-tiny:params_k') return ['moco', 'key'];
  if (/moco/.test(name)) return ['moco'];
  if (name.startsWith('densecl')) return ['densecl'];
  if (name.startsWith('sit')) return ['sit'];
  return ['torchvision'];
};

describe('the official key lists', () => {
  test('are there', () => expect(Object.keys(lists).length).toBeGreaterThan(45));

  test.each(Object.keys(lists))('%s maps whole', async (name) => {
    const [upstream, select] = upstreamOf(name);
    const { tensors, report, config } = await importContainer(name, containerOf(lists[name]!), { upstream, select });
    expect(report.faults).toEqual([]);
    expect(tensors.size).toBeGreaterThan(10);
    expect(Object.values(config)).not.toContain(undefined);
    const counted = tensors.size + report.skipped.length;
    const total = lists[name]!.split(' ').length;
    const folded = (lists[name]!.match(/weight_g\[|original0\[/g) ?? []).length;
    expect(counted).toBeLessThanOrEqual(total);
    expect(counted).toBeGreaterThanOrEqual(total - folded);
  });

  test('an unknown tensor beside the network is refused and listed, one of the training around it is not', async () => {
    const list = lists['ckpt-moco-tiny:params_k']!;
    const withMore = (...names: string[]) =>
      containerOf(list, (tensors) => {
        const one = [...tensors.values()][0]!;
        for (const name of names) tensors.set(name, one);
      });
    const options = { upstream: 'moco', select: 'key' };
    const around = ['state_dict.module.queue', 'state_dict.module.queue_ptr', 'optimizer.state.0.momentum_buffer'];
    const { report } = await importContainer('x', withMore(...around), options);
    expect(report.skipped.map(({ key }) => key)).toEqual(expect.arrayContaining(around));
    await expect(importContainer('x', withMore('state_dict.module.extra.weight', 'wat'), options)).rejects.toThrow(
      /2 tensors are not as .*\n {2}state_dict\.module\.extra\.weight: is unknown beside.*\n {2}wat: is unknown/s,
    );
    const loose = await importContainer('x', withMore('wat'), { ...options, strict: false });
    expect(loose.report.faults).toEqual([expect.stringMatching(/^wat: is unknown beside the network/)]);
  });

  test('are recognised without being told the upstream', async () => {
    const names = [
      'beats-base:params',
      'beats-tokenizer-small:params',
      'atst-clip-base:params',
      'byola-hash:params_v2',
      'wavlm-base:params_base',
      'w2v2-conformer:params_rope',
      'dino-vit-tiny:params',
      'resnet50-moco-v2:params',
      'densecl-step:params',
      'mtslvr-resnet18-series:params',
      'sit-v2-vit:params',
      'delores-m:params',
    ];
    for (const name of names) {
      const { map } = await importContainer(name, containerOf(lists[name]!));
      expect(map.id, name).toBe(upstreamOf(name)[0]);
    }
  });

  test('that lack, add or change a tensor are refused with all of them, or reported', async () => {
    const broken = (): Container =>
      containerOf(lists['beats-small:params_deep']!, (tensors) => {
        tensors.delete('encoder.layers.1.fc1.bias');
        tensors.set('encoder.layers.1.surprise', tensors.get('layer_norm.weight')!);
        tensors.set('encoder.layers.2.fc2.bias', { ...tensors.get('layer_norm.weight')!, shape: [7] });
      });
    const refused = importContainer('x.pt', broken(), { upstream: 'beats' });
    await expect(refused).rejects.toThrow('x.pt: 3 tensors are not as BEATs');
    await expect(refused).rejects.toMatchObject({
      faults: [
        'encoder.layers.1.fc1.bias: is missing, expected [96]',
        'encoder.layers.2.fc2.bias: is [7], expected [48]',
        'encoder.layers.1.surprise: is unknown, [24]',
      ],
    });
    const { report, tensors } = await importContainer('x.pt', broken(), { upstream: 'beats', strict: false });
    expect(report.faults).toHaveLength(3);
    expect(tensors.has('encoder.layers.2.fc2.bias')).toBe(false);
  });
});

test('ids of maps are unique, and every map says where its names come from', () => {
  expect(new Set(keyMaps.map(({ id }) => id)).size).toBe(keyMaps.length);
  for (const { id, source, title } of keyMaps) expect(`${source}${title}`.length, id).toBeGreaterThan(20);
});

/** Values of a golden's hash rule under the official names. */
async function expectHashed(
  imported: Imported,
  seed: number,
  official: (name: string) => string,
  only?: RegExp,
): Promise<void> {
  let compared = 0;
  for (const [name, tensor] of imported.tensors) {
    const key = official(name);
    if (only && !only.test(key)) continue;
    const { data } = await tensor.read();
    expect(
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(
        bytesOf(goldenParameter(key, seed, tensor.shape).data),
      ),
      key,
    ).toBe(true);
    compared++;
  }
  expect(compared).toBeGreaterThan(10);
}
const bytesOf = (data: ArrayLike<number>): Buffer => Buffer.from(Float32Array.from(data).buffer);

describe('golden checkpoints hold the rule’s values bit for bit', () => {
  const seed = 20240611;
  /** Folded weight norms are no stored values; the rule's are compared where they stand as they are. */
  const stored = (name: string): boolean => !name.endsWith('pos_conv.0.weight');
  test.each(['beats-small.pt', 'beats-small-legacy.pt', 'beats-small-finetuned.pt'])('%s', async (name) => {
    const imported = await importCheckpoint(file(name));
    expect(imported.map.id).toBe('beats');
    expect(imported.config).toMatchObject({
      layers: 3,
      width: 48,
      heads: 4,
      patchWidth: 24,
      buckets: 32,
      isGated: true,
    });
    expect(imported.config).toMatchObject({ maxDistance: 40, deepNorm: true, normFirst: false, activation: 'gelu' });
    await expectHashed(imported, seed, (key) => key);
    expect(imported.config['classes']).toBe(name.includes('finetuned') ? 11 : 0);
    expect(imported.tensors.has('encoder.pos_conv.0.weight_g')).toBe(true);
  });

  test('beats-tokenizer-small.pt and wavlm-small.pt', async () => {
    const tokenizer = await importCheckpoint(file('beats-tokenizer-small.pt'));
    expect(tokenizer.map.id).toBe('beats-tokenizer');
    const wavlm = await importCheckpoint(file('wavlm-small.pt'));
    expect(wavlm.map.id).toBe('wavlm');
    const plain = { ...wavlm, tensors: new Map([...wavlm.tensors].filter(([key]) => stored(key))) };
    await expectHashed(plain, seed, (key) => key);
  });

  test('a folded weight norm is v·g/‖v‖ over all but the kernel’s axis', async () => {
    const { tensors } = await importCheckpoint(file('wavlm-small.pt'));
    const { data, shape } = await tensors.get('encoder.pos_conv.0.weight')!.read();
    const [out, inputs, kernel] = shape as [number, number, number];
    const g = goldenParameter('encoder.pos_conv.0.weight_g', seed, [1, 1, kernel]).data;
    const v = goldenParameter('encoder.pos_conv.0.weight_v', seed, shape).data;
    for (let k = 0; k < kernel; k++) {
      let square = 0;
      for (let i = 0; i < out * inputs; i++) square += v[i * kernel + k]! ** 2;
      for (let i = 0; i < out * inputs; i += 17) {
        expect(data[i * kernel + k]).toBeCloseTo((v[i * kernel + k]! * g[k]!) / Math.sqrt(square), 6);
      }
    }
  });

  test.each([
    ['atst-clip-tiny-lightning.ckpt', 'clip'],
    ['atst-frame-tiny-lightning.ckpt', 'frame'],
    ['atst-clip-tiny-dino.ckpt', 'clip'],
  ])('%s, teacher and student', async (name, variant) => {
    for (const select of ['teacher', 'student']) {
      const imported = await importCheckpoint(file(name), { select });
      expect(imported.map.id).toBe('atst');
      expect(imported.config).toMatchObject({ variant, depth: 2, width: 32 });
      await expectHashed(imported, seed, (key) => `model.${select}.encoder.${key}`);
    }
  });

  test('DINO: backbone as .pth and .safetensors, and teacher of the run, are one network', async () => {
    const values = async (imported: Imported): Promise<Float32Array[]> =>
      Promise.all([...imported.tensors.values()].map(async (tensor) => Float32Array.from((await tensor.read()).data)));
    const plain = await importCheckpoint(file('dino-tiny-backbone.pth'));
    const safe = await importCheckpoint(file('dino-tiny-backbone.safetensors'));
    const teacher = await importCheckpoint(file('dino-tiny-checkpoint.pth'), { upstream: 'dino', select: 'teacher' });
    const student = await importCheckpoint(file('dino-tiny-checkpoint.pth'), { upstream: 'dino', select: 'student' });
    expect([plain, safe, teacher, student].map(({ map }) => map.id)).toEqual(['dino', 'dino', 'dino', 'dino']);
    expect(await values(safe)).toEqual(await values(plain));
    expect(await values(teacher)).toEqual(await values(plain));
    expect(await values(student)).not.toEqual(await values(plain));
    for (const imported of [plain, safe, teacher, student]) await imported.close();
  });

  test('MoCo v2 as zip and as the file of torch before 1.6, query and key', async () => {
    for (const select of ['query', 'key']) {
      const [zip, legacy] = await Promise.all(
        ['moco-v2-tiny.pth.tar', 'moco-v2-tiny-legacy.pth.tar'].map((name) => importCheckpoint(file(name), { select })),
      );
      expect(zip!.map.id).toBe('moco');
      for (const [name, tensor] of zip!.tensors) {
        expect((await legacy!.tensors.get(name)!.read()).data, name).toEqual((await tensor.read()).data);
      }
    }
  });

  test('the real tempo TCN', async () => {
    const { map, tensors, report } = await importCheckpoint(file('tempo-tcn.pt'));
    expect(map.id).toBe('equivariant-tempo');
    expect(report.faults).toEqual([]);
    const { data } = await tensors.get('conv3.weight')!.read();
    expect(data.every(Number.isFinite)).toBe(true);
  });
});

describe('what is no checkpoint of a known upstream', () => {
  test('is said', async () => {
    const put = (name: string, bytes: string | Uint8Array): string => {
      writeFileSync(join(work, name), bytes);
      return join(work, name);
    };
    await expect(importCheckpoint(join(work, 'absent.pt'))).rejects.toThrow('cannot be opened');
    await expect(importCheckpoint(put('page.pt', '<!DOCTYPE html><html>'))).rejects.toThrow('is a web page');
    await expect(importCheckpoint(put('k.h5', '\x89HDF\r\n\x1a\n'))).rejects.toThrow();
    const other = encodeSafetensors({ 'some.weight': { data: new Float32Array(4), shape: [4] } });
    await expect(importCheckpoint(put('other.safetensors', other))).rejects.toThrow(
      'its names are of no upstream that is known',
    );
    await expect(importCheckpoint(file('beats-small.pt'), { upstream: 'beatz' })).rejects.toThrow('beats');
    await expect(importCheckpoint(file('beats-small.pt'), { upstream: 'moco' })).rejects.toThrow('not those of moco');
    await expect(
      importCheckpoint(file('moco-v2-tiny.pth.tar'), { upstream: 'moco', select: 'teacher' }),
    ).rejects.toThrow('parts are query, key');
  });
});
