/** A score of the frozen network on one task, at a few steps of training: `probe.jsonl` and `probe.svg` in the run directory. */
import { loadAudio } from '@unlabel/audio';
import { ConfigError, type Backbone, type ModelConfig, type Task } from '@unlabel/core';
import { runProbe, type ProbeSplit } from '@unlabel/probes';
import { foldsOf, openTask } from '@unlabel/tasks';
import type { Display } from '../display/display.ts';
import { networkEmbedder } from '@unlabel/zoo';
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
  const task = await openTask(options.taskDir);
  if (task.metadata.embedding_type !== 'scene')
    throw new ConfigError(`--probe ${options.taskDir}: expected a scene task.`);
  const embedder = networkEmbedder({ id: 'probe', backbone, config, fingerprint: '', source: run.path });
  const clips = await readClips(task, embedder.sampleRate);
  const file = run.file('probe.jsonl');
  const metric = task.metadata.evaluation[0]!;

  const score = async (): Promise<number | null> => {
    const splits = new Map<string, ProbeSplit>();
    for (const [split, list] of task.splits) {
      const data = await embedder.embedScenes(clips.get(split)!);
      const labels = list.map((clip) => clip.labels);
      splits.set(split, { files: list.map((clip) => clip.file), labels, embeddings: { data, width: backbone.width } });
    }
    const { metrics } = await runProbe({
      protocol: 'linear/v1',
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
    return metrics[metric]!.value;
  };

  return {
    async at(step) {
      if (step % everySteps !== 0 && step !== steps && step !== 0) return;
      const value = await score();
      if (value === null) return;
      await truncateLog(file, step - 1);
      await appendLog(file, [{ step, [metric]: value }]);
      display.line(`probe after step ${step}: ${metric} ${value.toFixed(4)} on ${task.id}`);
    },
    async finish() {
      const points = (await truncateLog(file, steps)).map((line) => [line.step, line[metric]!] as const);
      await writeLineChart(run.file('probe.svg'), `${metric} on ${task.id}`, [{ name: metric, points }]);
    },
  };
}

async function readClips(task: Task, sampleRate: number): Promise<Map<string, Float32Array[]>> {
  const clips = new Map<string, Float32Array[]>();
  for (const [split, list] of task.splits) {
    const paths = list.map(({ file }) => task.wavPath(split, file, sampleRate));
    clips.set(split, await Promise.all(paths.map(async (path) => (await loadAudio(path, { sampleRate })).audio)));
  }
  return clips;
}
