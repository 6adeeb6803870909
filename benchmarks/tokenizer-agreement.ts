/**
 * How well the codes of a BEATs run's tokenizers agree with the classes of clips they never saw: normalised mutual information between the code
 * of each patch and the class of its clip, over the test split (or last fold) of tasks with one class a clip.
 *
 *   node --conditions=@unlabel/source benchmarks/tokenizer-agreement.ts RUN TASK… [--limit 200]
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createFrontEnd, frontEnds, loadAudio } from '@unlabel/audio';
import { maskedPrediction, randomProjection, type Tokenizer } from '@unlabel/beats';
import type { BeatsTokenizer } from '@unlabel/backbones';
import { ConfigError, createRng, type NdArray } from '@unlabel/core';
import { assignArrays, tf, useEngine } from '@unlabel/engine';
import { parseSafetensors, readJson } from '@unlabel/formats';
import { normalizedMutualInformation } from '@unlabel/probes';
import { openTask } from '@unlabel/tasks';
import { loadModelDir } from '@unlabel/zoo';
import { isModelDir } from '@unlabel/zoo/files';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { limit: { type: 'string', default: '1000000' } },
});
const [run, ...taskDirs] = positionals;
if (run === undefined || taskDirs.length === 0) throw new ConfigError('expected a run of beats and task directories');
const { engine } = await useEngine();

/** The frozen tokenizer of iteration 1, from its last checkpoint. */
async function random(): Promise<Tokenizer> {
  const stage = join(run!, 'stages', 'iter1');
  const held = (await readJson(join(stage, 'config.json'))) as { config: unknown };
  const { patchSize, codes, codeWidth } = maskedPrediction.config.parse(held.config);
  const checkpoints = join(stage, 'checkpoints');
  const [file] = (await readdir(checkpoints)).filter((name) => name.endsWith('.safetensors'));
  const path = join(checkpoints, file!);
  const tensors = parseSafetensors(await readFile(path), path);
  const tokenizer = randomProjection({ patchSize, patchWidth: 512, codes, codeWidth }, createRng(0));
  const arrays: Record<string, NdArray> = {};
  for (const name of tokenizer.params.keys()) {
    const stored = tensors.names.find((full) => full.endsWith(`tokenizer.${name}`));
    if (stored === undefined) throw new ConfigError(`${path}: holds no tokenizer.${name}`);
    arrays[name] = tensors.readFloat32(stored);
  }
  assignArrays(tokenizer.params, arrays);
  return tokenizer;
}

const tokenizers = new Map<string, Tokenizer>([['random projection', await random()]]);
for (const stage of (await readdir(join(run, 'stages'))).sort()) {
  const dir = join(run, 'stages', stage, 'model');
  if (stage.startsWith('tokenizer') && isModelDir(dir))
    tokenizers.set(stage, (await loadModelDir(dir)).backbone as BeatsTokenizer);
}

const frontEnd = createFrontEnd(frontEnds.beats);
process.stdout.write(`task, clips, patches, ${[...tokenizers.keys()].join(', ')} (engine ${engine})\n`);
for (const dir of taskDirs) {
  const task = await openTask(dir);
  const split = task.splits.has('test') ? 'test' : [...task.splits.keys()].at(-1)!; // the last fold
  const clips = task.splits.get(split)!.slice(0, Number(values.limit));
  const classes: number[] = [];
  const codes = new Map<string, number[]>([...tokenizers.keys()].map((name) => [name, []]));
  for (const { file, labels } of clips) {
    const { audio } = await loadAudio(task.wavPath(split, file, 16000), { sampleRate: 16000 });
    const { data, shape } = frontEnd.apply(audio);
    const [bands = 0, frames = 0] = shape;
    if (frames < 16) continue;
    for (const [name, tokenizer] of tokenizers) {
      const found = tf.tidy(() => tokenizer.labels(tf.tensor(data, [1, bands, frames])));
      codes.get(name)!.push(...(await found.data()));
      found.dispose();
    }
    while (classes.length < codes.get('random projection')!.length) classes.push(labels[0]!);
  }
  const scores = [...codes.values()].map((found) => normalizedMutualInformation(found, classes).toFixed(4));
  process.stdout.write(`${task.id}, ${clips.length}, ${classes.length}, ${scores.join(', ')}\n`);
}
