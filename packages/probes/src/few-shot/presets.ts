/** Published few-shot protocols with their numbers, and ours. */
import { ConfigError, unknownName } from '@unlabel/core';

export interface FewShotPreset {
  readonly id: string;
  readonly note: string;
  readonly ways: number;
  readonly shots: readonly number[];
  /** Tested clips a class; `shots`: as many as there are shots. */
  readonly queries: number | 'shots';
  readonly episodes: number;
  /** Ids of `fewShotClassifiers`. */
  readonly classifiers: readonly string[];
  /** Test on all classes, or on the last share of a random split of them (base classes give the mean of `cl2n`). */
  readonly classes: 'all' | ClassShares;
  /** Length of a window: shorter clips are repeated to it, longer ones cut into such windows. null: clips as they are. */
  readonly seconds: number | null;
}

/** Shares of the classes. */
export interface ClassShares {
  readonly train: number;
  readonly valid: number;
  readonly test: number;
}

const presets: readonly FewShotPreset[] = [
  {
    id: 'default',
    note: 'Fifteen queries a class make the interval of each model less than half as wide as one query does; whole clips, all classes.',
    ways: 5,
    shots: [1, 5],
    queries: 15,
    episodes: 10_000,
    classifiers: ['centroid', 'cl2n', 'logistic'],
    classes: 'all',
    seconds: null,
  },
  {
    id: 'metaaudio',
    note: 'MetaAudio (Heggan et al., ICANN 2022, arXiv 2204.02121): one query a shot, 70/10/20 % of the classes, windows of 5 s, ProtoNet’s rule and SimpleShot.',
    ways: 5,
    shots: [1, 5],
    queries: 'shots',
    episodes: 10_000,
    classifiers: ['centroid', 'cl2n'],
    classes: { train: 0.7, valid: 0.1, test: 0.2 },
    seconds: 5,
  },
  {
    id: 'mt-slvr',
    note: 'MT-SLVR (Heggan et al., Interspeech 2023, arXiv 2305.17191; evaluation code @668f4109): 5-way 1-shot, one query a class, windows of 5 s, logistic regression by SGD.',
    ways: 5,
    shots: [1],
    queries: 1,
    episodes: 10_000,
    classifiers: ['sgd-logistic'],
    classes: 'all',
    seconds: 5,
  },
];

export const fewShotPresets: Readonly<Record<string, FewShotPreset>> = Object.fromEntries(
  presets.map((preset) => [preset.id, preset]),
);

/** @throws ConfigError naming the presets there are */
export function fewShotPreset(id: string): FewShotPreset {
  const preset = Object.hasOwn(fewShotPresets, id) ? fewShotPresets[id] : undefined;
  if (preset) return preset;
  throw new ConfigError(unknownName('few-shot preset', id, Object.keys(fewShotPresets)));
}
