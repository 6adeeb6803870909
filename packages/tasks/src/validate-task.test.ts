import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeWav } from '@unlabel/formats';
import { expect, test } from 'vitest';
import { validateTask } from './index.ts';
import { noise, writeTinyTask, type TinyTask } from './testing.ts';

const validate = async (options: TinyTask): Promise<{ faults: string[]; warnings: string[] }> =>
  validateTask(await writeTinyTask(options));
const rest = { valid: { 'c.wav': ['cat'] }, test: { 'e.wav': ['dog'] } };
const withTrain = (train: Readonly<Record<string, unknown>> | string): TinyTask => ({ splits: { train, ...rest } });

test('finds nothing wrong with a good task', async () => {
  expect(await validate({})).toEqual({ faults: [], warnings: [] });
});

/** Each damage gives exactly these faults, in words that name the place. */
const damages: readonly (readonly [name: string, options: TinyTask, faults: readonly RegExp[]])[] = [
  [
    'a label that is in no vocabulary',
    withTrain({ 'a.wav': ['cow'] }),
    [/train\.json: "a\.wav": label "cow" is not in/],
  ],
  ['two labels on a multiclass clip', withTrain({ 'a.wav': ['cat', 'dog'] }), [/has one label, found 2/]],
  ['no label on a multiclass clip', withTrain({ 'a.wav': [] }), [/has one label, found none/]],
  ['labels that are no list', withTrain({ 'a.wav': 'cat' }), [/expected a list of labels, found "cat"/]],
  ['labels that are no text', withTrain({ 'a.wav': [{ label: 'cat' }] }), [/expected a label, found/]],
  ['an empty split', withTrain({}), [/train\.json: the split is empty/]],
  ['a list in place of a split', withTrain('[1, 2]'), [/train\.json: expected an object/]],
  ['a name that leads out', withTrain({ '../../x.wav': ['cat'] }), [/"\.\.\/\.\.\/x\.wav": is not a plain file name/]],
  ['an absolute name', withTrain({ '/etc/passwd': ['cat'] }), [/is not a plain file name/]],
  ['a backslash in a name', withTrain({ '..\\x.wav': ['cat'] }), [/is not a plain file name/]],
  [
    'a file named twice',
    withTrain('{"c.wav": ["cat"], "c.wav": ["dog"]}'),
    [/"c\.wav" is there more than once/, /c\.wav: is missing/],
  ],
  ['JSON cut short', withTrain('{"a.wav": ["cat"'), [/train\.json: is not JSON/]],
  ['NaN in JSON', withTrain('{"a.wav": NaN}'), [/NaN and Infinity are not JSON/]],
  ['a prototype key', withTrain('{"__proto__": ["cow"]}'), [/label "cow" is not in/]],
  [
    'a vocabulary out of order',
    { vocabulary: 'idx,label\n1,cat\n0,dog\n' },
    [/row 1: expected idx 0/, /row 2: expected idx 1/],
  ],
  [
    'a vocabulary that starts at 1',
    { vocabulary: 'idx,label\n1,cat\n2,dog\n' },
    [/expected idx 0, found "1"/, /expected idx 1/],
  ],
  ['a label twice', { vocabulary: 'idx,label\n0,cat\n1,dog\n2,cat\n' }, [/label "cat" repeats row 1/]],
  ['a vocabulary with other columns', { vocabulary: 'id;name\n0;cat\n' }, [/expected the header idx,label/]],
  [
    'an unknown metric',
    { metadata: { evaluation: ['top1_acc', 'mAPs'] } },
    [/unknown metric "mAPs"\. Did you mean mAP/],
  ],
  ['no metric', { metadata: { evaluation: [] } }, [/field evaluation/]],
  ['a negative duration', { metadata: { sample_duration: -1 } }, [/field sample_duration/]],
  ['an absurd duration', { metadata: { sample_duration: 1e12 } }, [/field sample_duration/]],
  ['a duration that is text', { metadata: { sample_duration: '4' } }, [/field sample_duration/]],
  ['an unknown split mode', { metadata: { split_mode: 'random' } }, [/field split_mode/]],
  [
    'a split that leads out',
    { metadata: { splits: ['train', 'valid', 'test', '../x'] } },
    [/would lead out/, /none of train, valid, test/],
  ],
  [
    'a split without a file',
    { metadata: { splits: ['train', 'valid', 'test', 'more'] } },
    [/"more"/, /more\.json: is missing/],
  ],
  ['no test split', { metadata: { splits: ['train', 'valid'] } }, [/field splits: test missing/]],
  [
    'a wrong nfolds',
    { metadata: { split_mode: 'new_split_kfold', nfolds: 5 } },
    [/nfolds: says 5, field splits names 3/],
  ],
  ['a task name that leads out', { metadata: { task_name: '../../x' } }, [/field task_name/]],
];

test.each(damages)('names %s', async (_name, options, expected) => {
  const { faults } = await validate(options);
  expect(faults).toHaveLength(expected.length);
  expected.forEach((pattern, i) => expect(faults[i]).toMatch(pattern));
});

test('names every file that is missing, unreadable, at another rate, stereo, or empty', async () => {
  const dir = await writeTinyTask();
  const at = (path: string): string => join(dir, '16000', path);
  await rm(at('train/a.wav'));
  await writeFile(at('train/b.wav'), 'RIFF and nothing else');
  await writeFile(at('valid/c.wav'), noise('c', 22050));
  const channel = new Float32Array(1600).fill(0.1);
  await writeFile(at('valid/d.wav'), encodeWav({ sampleRate: 16000, channels: [channel, channel] }));
  await writeFile(at('test/e.wav'), encodeWav({ sampleRate: 16000, channels: [new Float32Array(0)] }));
  await writeFile(at('test/f.wav'), encodeWav({ sampleRate: 16000, channels: [channel.fill(NaN)] }, 'float32'));
  const { faults } = await validateTask(dir);
  expect(faults).toEqual([
    expect.stringMatching(/^16000\/train\/a\.wav: is missing/),
    expect.stringMatching(/^16000\/train\/b\.wav: /),
    expect.stringMatching(/^16000\/valid\/c\.wav: expected 16000 Hz as its folder says, found 22050 Hz/),
    expect.stringMatching(/^16000\/valid\/d\.wav: expected mono, found 2 channels/),
    expect.stringMatching(/^16000\/test\/e\.wav: holds no samples/),
    expect.stringMatching(/^16000\/test\/f\.wav: holds samples that are NaN or infinite/),
  ]);
});

test('names a split’s folder that is missing, and a task without audio', async () => {
  const dir = await writeTinyTask();
  await rm(join(dir, '16000/valid'), { recursive: true });
  expect((await validateTask(dir)).faults).toEqual([
    expect.stringMatching(/^16000\/valid: the split’s folder is missing/),
  ]);
  await rm(join(dir, '16000'), { recursive: true });
  expect((await validateTask(dir)).faults).toEqual([
    expect.stringMatching(/no folder of audio named by its sample rate/),
  ]);
});

test('names audio that is in two splits, and warns of repeats within one and of silence', async () => {
  const dir = await writeTinyTask();
  const at = (path: string): string => join(dir, '16000', path);
  await copyFile(at('train/a.wav'), at('test/e.wav'));
  await copyFile(at('valid/c.wav'), at('valid/d.wav'));
  const silence = encodeWav({ sampleRate: 16000, channels: [new Float32Array(1600)] });
  await writeFile(at('train/b.wav'), silence);
  await writeFile(at('test/f.wav'), silence);
  const { faults, warnings } = await validateTask(dir);
  expect(faults).toEqual(['16000/test/e.wav: has the same audio as 16000/train/a.wav, in another split']);
  expect(warnings).toEqual([
    '16000/valid/d.wav: has the same audio as 16000/valid/c.wav',
    '16000/test/f.wav: has the same audio as 16000/train/b.wav (silence)',
  ]);
});

test('warns of clips of another length, files without labels, unused and unsorted labels', async () => {
  const dir = await writeTinyTask({ vocabulary: 'idx,label\n0,dog\n1,cat\n2,ape\n' });
  await writeFile(join(dir, '16000/train/a.wav'), noise('long', 16000, 0.3));
  await writeFile(join(dir, '16000/train/zz.wav'), noise('zz', 16000));
  const { faults, warnings } = await validateTask(dir);
  expect(faults).toEqual([]);
  expect(warnings).toEqual([
    expect.stringMatching(/labels are not sorted/),
    expect.stringMatching(/1 labels are on no clip: \["ape"\]/),
    expect.stringMatching(/^16000\/train: 1 files have no label, such as "zz\.wav"/),
    expect.stringMatching(/a\.wav: has 0\.300 s, task_metadata\.json says 0\.1 s/),
  ]);
});

test('checks events: times, order, labels', async () => {
  const events = [
    { label: 'cat', start: 5, end: 1 },
    { label: 'cow', start: 0, end: 1 },
    { label: 'cat', start: -1, end: 1 },
    { label: 'cat', start: '0', end: 1 },
    'cat',
  ];
  const splits = { train: { 'a.wav': events }, valid: { 'c.wav': [] }, test: { 'e.wav': [] } };
  const { faults } = await validate({ splits, metadata: { embedding_type: 'event', prediction_type: 'multilabel' } });
  expect(faults).toEqual([
    expect.stringMatching(/event 0: expected 0 ≤ start ≤ end in ms, found start 5, end 1/),
    expect.stringMatching(/event 1: label "cow" is not in/),
    expect.stringMatching(/event 2: expected 0 ≤ start/),
    expect.stringMatching(/event 3: expected 0 ≤ start/),
    expect.stringMatching(/event 4: expected \{ label, start, end \}, found "cat"/),
  ]);
});

test('names all of a directory’s files when none is there, and a path that is no folder', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'unlabel-empty-'));
  expect((await validateTask(dir)).faults).toEqual([
    'task_metadata.json: is missing',
    'labelvocabulary.csv: is missing',
  ]);
  await writeFile(join(dir, 'file'), '');
  expect((await validateTask(join(dir, 'file'))).faults).toEqual([expect.stringMatching(/is not a folder/)]);
});

test('survives binary files, a link to nowhere and deep nesting', async () => {
  const dir = await writeTinyTask();
  await writeFile(join(dir, 'task_metadata.json'), Uint8Array.from([0xff, 0xfe, 0x00, 0x80]));
  expect((await validateTask(dir)).faults).toEqual(['task_metadata.json: is not UTF-8 text']);
  const nested = await writeTinyTask(withTrain(`${'['.repeat(200000)}`));
  expect((await validateTask(nested)).faults).toEqual([expect.stringMatching(/train\.json: is not JSON/)]);
  const linked = await writeTinyTask();
  await rm(join(linked, '16000/train/a.wav'));
  await symlink(join(linked, 'nowhere'), join(linked, '16000/train/a.wav'));
  expect((await validateTask(linked)).faults).toEqual([expect.stringMatching(/a\.wav: could not be read/)]);
});
