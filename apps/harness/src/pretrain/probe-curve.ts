/**
 * Scores of the frozen network on one task, at a few steps of training: `probe.jsonl` and `probe.svg` in the run directory. By a linear
 * probe, and of images by their neighbours too.
 */
import { loadAudio } from '@unlabel/audio';
import { ConfigError, type Backbone, type ModelConfig } from '@unlabel/core';
import { runProbe, type ProbeSplit } from '@unlabel/probes';
import { foldsOf, type OpenedTask } from '@unlabel/tasks';
import type { Display } from '../display/display.ts';
import { imageEmbedder, networkEmbedder, type NetworkOptions } from '@unlabel/zoo';
import { loadImage } from '../evaluate/embed-images.ts';
import { openAnyTask } from '../evaluate/open-task.ts';
import { writeLineChart } from '../pictures/curves.ts';
import type { Meter } from './meter.ts';
import { appendLog, truncateLog, type RunDir } from '../run-dir.ts';

export interface ProbeCurveOptions {
  readonly taskDir: string;
  /** Steps between two points. */
  readonly everySteps: number;
  readonly steps: number;
  readonly run: RunDir;
  readonly display: Display;
  readonly backbone: Backbone;
  readonly config: ModelConfig;
}

export async function createProbeCurve(options: ProbeCurveOptions): Promise<Meter> {
  const { run, steps, everySteps, backbone, config, display } = options;
  const task = await openAnyTask(options.taskDir);
  if (task.metadata.embedding_type !== 'scene')
    throw new ConfigError(`--probe ${options.taskDir}: expected a scene task.`);
  const { modality = 'audio' } = task;
  const own = config.input['modality'];
  if (own !== modality)
    throw new ConfigError(
      `--probe ${options.taskDir}: a task of modality ${modality}; the method's is ${String(own)}.`,
    );
  const network = { id: 'probe', backbone, config, fingerprint: '', source: run.path };
  const embeddingsOf = await (modality === 'image' ? embedImages(task, network) : embedClips(task, network));
  const file = run.file('probe.jsonl');
  const metric = task.metadata.evaluation[0]!;

  const protocols = modality === 'image' ? ['linear/v1', 'knn-dino/v1'] : ['linear/v1'];
  /** Keys of the log, by protocol. */
  const keys = [metric, `${metric}_knn`];

  const scores = async (): Promise<(number | null)[]> => {
    const splits = new Map<string, ProbeSplit>();
    for (const [split, list] of task.splits) {
      const data = await embeddingsOf(split);
      const labels = list.map((clip) => clip.labels);
      splits.set(split, { files: list.map((clip) => clip.file), labels, embeddings: { data, width: backbone.width } });
    }
    const found: (number | null)[] = [];
    for (const protocol of protocols) {
      const { metrics } = await runProbe({
        protocol,
        task: task.id,
        splits,
        folds: foldsOf(task),
        vocabulary: task.vocabulary,
        predictionType: task.metadata.prediction_type,
        metrics: [metric],
        seed: 0,
        resamples: 2, // no interval is shown on a curve
        now: () => performance.now(),
      });
      found.push(metrics[metric]!.value);
    }
    return found;
  };

  return {
    async at(step) {
      if (step % everySteps !== 0 && step !== steps && step !== 0) return;
      const values = (await scores()).flatMap((value, i) => (value === null ? [] : [[keys[i]!, value] as const]));
      if (values.length === 0) return;
      await truncateLog(file, step - 1);
      await appendLog(file, [{ step, ...Object.fromEntries(values) }]);
      const text = values.map(([key, value]) => `${key} ${value.toFixed(4)}`).join(', ');
      display.line(`probe after step ${step}: ${text} on ${task.id}`);
    },
    async finish() {
      const lines = await truncateLog(file, steps);
      const series = protocols.map((name, i) => ({
        name,
        points: lines.flatMap((line) => (line[keys[i]!] === undefined ? [] : [[line.step, line[keys[i]!]!] as const])),
      }));
      await writeLineChart(run.file('probe.svg'), `${metric} on ${task.id}`, series);
    },
  };
}

/** Embeddings of a split, row by row, of the network as it stands. */
type EmbeddingsOf = (split: string) => Promise<Float32Array>;

async function embedClips(task: OpenedTask, network: NetworkOptions): Promise<EmbeddingsOf> {
  const embedder = networkEmbedder(network);
  const { sampleRate } = embedder;
  const clips = await readSplits(task, async (path) => (await loadAudio(path, { sampleRate })).audio, sampleRate);
  return (split) => embedder.embedScenes(clips.get(split)!);
}

async function embedImages(task: OpenedTask, network: NetworkOptions): Promise<EmbeddingsOf> {
  const embedder = imageEmbedder(network);
  const images = await readSplits(task, loadImage, 0);
  return (split) => embedder.embedImages(images.get(split)!, 'center');
}

/** Every split's files, read once and kept. */
async function readSplits<T>(
  task: OpenedTask,
  read: (path: string) => Promise<T>,
  sampleRate: number,
): Promise<Map<string, T[]>> {
  const held = new Map<string, T[]>();
  for (const [split, list] of task.splits) {
    const paths = list.map(({ file }) => task.wavPath(split, file, sampleRate));
    held.set(split, await Promise.all(paths.map(read)));
  }
  return held;
}
