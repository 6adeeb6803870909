/** Scores of models on scenes, each kept in a file of its own: what is there is not made again. */
import { join } from 'node:path';
import { canonicalJson } from '@unlabel/core';
import { readJson, sha256, sha256File, writeJsonAtomic } from '@unlabel/formats';
import { fingerprintFile, readModelConfig } from '@unlabel/zoo/files';
import { evaluateScenes, listeningOf, type SceneScores } from './evaluate.ts';
import { classesOf, readWindows, type SceneWindows } from './windows.ts';

/** Raised when the same networks and scenes get other scores: results from before are made again. */
const evaluation = 2;

/** What a result depends on. */
export interface SceneKey {
  readonly evaluation: number;
  readonly fingerprint: string;
  /** Hashes of the indices of the training and the tested scenes. */
  readonly data: readonly [string, string];
  readonly split: string;
  readonly steps: number;
  readonly isFineTuned: boolean;
  readonly seed: number;
}

export interface SceneResult {
  readonly schema: 1;
  readonly model: string;
  readonly key: SceneKey;
  readonly classes: readonly string[];
  readonly scores: SceneScores;
}

export interface SceneRequest {
  /** A model folder. */
  readonly dir: string;
  readonly model: string;
  readonly data: string;
  /** What is tested: `test`, or `valid` to choose by. */
  readonly split: string;
  readonly steps: number;
  readonly isFineTuned: boolean;
  readonly seed: number;
  /** Where results lie. */
  readonly out: string;
}

/** Windows are read once for all models that listen alike. */
export function createScorer(): (request: SceneRequest) => Promise<SceneResult> {
  const held = new Map<string, Promise<SceneWindows>>();
  return async (request) => {
    const { dir, model, data, split, steps, isFineTuned, seed, out } = request;
    const key: SceneKey = {
      evaluation,
      fingerprint: await fingerprintFile(dir),
      data: [await sha256File(join(data, 'train.jsonl')), await sha256File(join(data, `${split}.jsonl`))],
      split,
      steps,
      isFineTuned,
      seed,
    };
    const file = join(out, `${model}-${sha256(canonicalJson(key)).slice(0, 12)}.json`);
    const known = (await readJson(file).catch(() => undefined)) as SceneResult | undefined;
    if (known && canonicalJson(known.key) === canonicalJson(key)) return known;
    const listening = listeningOf((await readModelConfig(dir)).methodConfig, dir);
    const windows = (name: string): Promise<SceneWindows> => {
      const id = `${data} ${name} ${canonicalJson(listening)}`;
      const found = held.get(id) ?? readWindows(data, name, listening);
      held.set(id, found);
      return found;
    };
    const classes = await classesOf(data);
    const [train, test] = [await windows('train'), await windows(split)];
    const scores = await evaluateScenes({ dir, seed, classes, train, test, steps, isFineTuned });
    const result: SceneResult = { schema: 1, model, key, classes, scores };
    await writeJsonAtomic(file, result);
    return result;
  };
}
