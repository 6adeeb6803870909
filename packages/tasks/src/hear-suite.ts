/**
 * The tasks of HEAR 2021 in miniature: names, versions, splits, kinds of labels and metadata as the preprocessed corpus has them,
 * with a few generated clips each. For tests and for trying a model before the corpus is at hand; scores on it mean nothing.
 */
import { join } from 'node:path';
import { createRng, type MetricName, type TaskMetadata } from '@unlabel/core';
import { encodeWav, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';

export interface HearTask {
  /** Of the folder: `<name>-<version>-<mode>`. */
  readonly name: string;
  readonly version: string;
  readonly mode: string;
  readonly embedding: TaskMetadata['embedding_type'];
  readonly prediction: TaskMetadata['prediction_type'];
  readonly splitMode: TaskMetadata['split_mode'];
  /** Of k-fold tasks. */
  readonly folds?: number;
  /** Seconds of the real clips; null when they differ. */
  readonly seconds: number | null;
  readonly metrics: readonly MetricName[];
  readonly labels: readonly string[];
  /** More of the metadata, as HEAR writes it. */
  readonly more?: Readonly<Record<string, unknown>>;
}

const accuracyFirst = ['top1_acc', 'mAP', 'd_prime', 'aucroc'] as const;
const precisionFirst = ['mAP', 'd_prime', 'aucroc', 'top1_acc'] as const;
const aucFirst = ['aucroc', 'mAP', 'd_prime', 'top1_acc'] as const;
const words = ['ape', 'bird', 'cow', 'dog'];
/** As text 100 would come before 98. */
const pitches = ['98', '99', '100', '101'];
const postprocessing = {
  event_postprocessing_grid: { median_filter_ms: [250], min_duration: [125, 250] },
};
const scene = { embedding: 'scene', prediction: 'multiclass', labels: words } as const;
const split = { ...scene, splitMode: 'trainvaltest' } as const;
const kfold = { ...scene, splitMode: 'new_split_kfold', metrics: accuracyFirst } as const;
const full = 'full';

/** The 19 rows of the leaderboard; Beehive's is two folders. Metrics in the order of the metadata. */
export const hearTasks: readonly HearTask[] = [
  {
    ...split,
    name: 'dcase2016_task2',
    version: 'hear2021',
    mode: full,
    embedding: 'event',
    prediction: 'multilabel',
    seconds: 120,
    metrics: ['event_onset_200ms_fms', 'segment_1s_er'],
    more: { evaluation_params: postprocessing },
  },
  ...['5h', '50h'].map((mode): HearTask => ({
    ...split,
    name: 'nsynth_pitch',
    version: 'v2.2.3',
    mode,
    seconds: 4,
    metrics: ['pitch_acc', 'chroma_acc'],
    labels: pitches,
    more: { pitch_range_min: 21, pitch_range_max: 108 },
  })),
  ...['5h', full].map((mode): HearTask => ({
    ...split,
    name: 'speech_commands',
    version: 'v0.0.2',
    mode,
    seconds: 1,
    metrics: ['top1_acc'],
    more: { max_task_duration_by_split: { train: 12600, valid: 2700, test: null } },
  })),
  ...[0, 1].map((fold): HearTask => ({
    ...split,
    name: `beehive_states_fold${fold}`,
    version: 'v2',
    mode: full,
    seconds: 600,
    metrics: aucFirst,
    labels: ['active', 'missing queen'],
  })),
  { ...kfold, name: 'beijing_opera', version: 'v1.0-hear2021', mode: full, folds: 5, seconds: 4.77 },
  {
    ...kfold,
    name: 'tfds_crema_d',
    version: '1.0.0',
    mode: full,
    folds: 5,
    seconds: 5,
    more: { tfds_task_name: 'crema_d' },
  },
  { ...kfold, name: 'esc50', version: 'v2.0.0', mode: full, splitMode: 'presplit_kfold', folds: 5, seconds: 5 },
  {
    ...split,
    name: 'fsd50k',
    version: 'v1.0',
    mode: full,
    prediction: 'multilabel',
    seconds: null,
    metrics: precisionFirst,
  },
  { ...kfold, name: 'tfds_gtzan', version: '1.0.0', mode: full, folds: 10, seconds: 30 },
  {
    ...kfold,
    name: 'tfds_gtzan_music_speech',
    version: '1.0.0',
    mode: full,
    folds: 10,
    seconds: 30,
    labels: ['music', 'speech'],
  },
  {
    ...kfold,
    name: 'gunshot_triangulation',
    version: 'v1.0',
    mode: full,
    folds: 7,
    seconds: 1.5,
    labels: ['1', '2', '3', '4'],
  },
  {
    ...kfold,
    name: 'libricount',
    version: 'v1.0.0-hear2021',
    mode: full,
    folds: 5,
    seconds: 5,
    labels: ['0', '2', '9', '10'],
  },
  {
    ...kfold,
    name: 'maestro',
    version: 'v3.0.0',
    mode: '5h',
    embedding: 'event',
    prediction: 'multilabel',
    folds: 5,
    seconds: 120,
    metrics: ['event_onset_50ms_fms', 'event_onset_offset_50ms_20perc_fms'],
    labels: pitches,
    more: {
      evaluation_params: {
        event_postprocessing_grid: { median_filter_ms: [150], min_duration: [50] },
        task_specific_param_grid: { max_epochs: [50], check_val_every_n_epoch: [1] },
      },
      use_scoring_for_early_stopping: false,
    },
  },
  { ...kfold, name: 'mridangam_stroke', version: 'v1.5', mode: full, folds: 5, seconds: 0.81 },
  { ...kfold, name: 'mridangam_tonic', version: 'v1.5', mode: full, folds: 5, seconds: 0.81 },
  {
    ...kfold,
    name: 'vocal_imitation',
    version: 'v1.1.3',
    mode: full,
    folds: 3,
    seconds: 11.26,
    metrics: precisionFirst,
  },
  { ...kfold, name: 'vox_lingua_top10', version: 'hear2021', mode: full, folds: 5, seconds: 18.64 },
];

export interface HearSuiteOptions {
  /** Clips of a split; default 6. */
  readonly clips?: number;
  /** Seconds of the longest clips, for all lengths above it; default 0.4. Events have four times as long. */
  readonly seconds?: number;
  /** Hz; default 16000. */
  readonly rates?: readonly number[];
}

/** Writes one task below `root`; @returns its directory. */
export async function writeHearTask(root: string, task: HearTask, options: HearSuiteOptions = {}): Promise<string> {
  const { name, version, mode, embedding, folds, labels } = task;
  const dir = join(root, `${name}-${version}-${mode}`);
  const splits =
    folds === undefined
      ? ['train', 'valid', 'test']
      : Array.from({ length: folds }, (_, i) => `fold${String(i).padStart(2, '0')}`);
  const longest = (options.seconds ?? 0.4) * (embedding === 'event' ? 4 : 1);
  const seconds = task.seconds === null ? null : Math.min(task.seconds, longest);
  await writeJsonAtomic(join(dir, 'task_metadata.json'), {
    task_name: name,
    version,
    mode,
    default_mode: full,
    embedding_type: embedding,
    prediction_type: task.prediction,
    split_mode: task.splitMode,
    splits,
    sample_duration: seconds,
    evaluation: task.metrics,
    tmp_dir: '_workdir',
    download_urls: [],
    ...(folds !== undefined && { nfolds: folds }),
    ...task.more,
  });
  await writeFileAtomic(
    join(dir, 'labelvocabulary.csv'),
    `idx,label\n${labels.map((label, i) => `${i},${label}\n`).join('')}`,
  );
  for (const split of splits) {
    const rng = createRng(1).fork(`${name} ${mode} ${split}`);
    const list: Record<string, unknown> = {};
    for (let i = 0; i < (options.clips ?? 6); i++) {
      const file = `${split}_${i}.wav`;
      const length = seconds ?? longest * rng.range(0.3, 1);
      const events = eventsOf(task, i, length);
      list[file] = labelsOf(task, i, events);
      for (const rate of options.rates ?? [16000]) {
        const audio = soundOf(events, length, rate, rng.fork(`${i} ${rate}`));
        await writeFileAtomic(join(dir, String(rate), split, file), encodeWav({ sampleRate: rate, channels: [audio] }));
      }
    }
    await writeJsonAtomic(join(dir, `${split}.json`), list);
  }
  return dir;
}

interface Sounding {
  readonly label: number;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
}

/** What sounds in clip i: its class all the time, or for events one class after another. */
function eventsOf({ embedding, prediction, labels }: HearTask, i: number, seconds: number): Sounding[] {
  const classes = labels.length;
  if (embedding === 'event') {
    const third = seconds / 3;
    return [0, 1].map((k) => ({ label: (i + k) % classes, start: third * k + third / 4, end: third * (k + 1) }));
  }
  const all = { start: 0, end: seconds };
  const first = { label: i % classes, ...all };
  if (prediction === 'multiclass') return [first];
  return i % 5 === 4 ? [] : [first, { label: (i + 1) % classes, ...all }].slice(0, 1 + (i % 2));
}

const labelsOf = ({ embedding, labels }: HearTask, _i: number, events: readonly Sounding[]): unknown[] =>
  events.map(({ label, start, end }) =>
    embedding === 'scene'
      ? labels[label]
      : { label: labels[label], start: Math.round(start * 1000), end: Math.round(end * 1000) },
  );

/** A tone a class, in noise. */
function soundOf(
  events: readonly Sounding[],
  seconds: number,
  rate: number,
  rng: ReturnType<typeof createRng>,
): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * rate) }, (_, n) => {
    const t = n / rate;
    let value = 0.02 * rng.normal();
    for (const { label, start, end } of events)
      if (t >= start && t < end) value += 0.3 * Math.sin(2 * Math.PI * 300 * 1.6 ** label * t);
    return value;
  });
}
