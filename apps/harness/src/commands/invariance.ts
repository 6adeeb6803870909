/** `unlabel invariance MODEL…`: how far embeddings move under MT-SLVR's transformations. */
import type { Command } from 'commander';
import {
  examples,
  positiveInt,
  withDisplay,
  withEngine,
  withForeign,
  withSeed,
  type EngineCliOptions,
} from '../options.ts';

export interface InvarianceCliOptions extends EngineCliOptions {
  readonly tasks: string;
  readonly only?: string;
  readonly out: string;
  readonly clips: number;
  readonly seconds: number;
  readonly seed: number;
  readonly display?: string;
  readonly weights?: string;
  readonly python?: string;
  readonly timeout?: number;
}

export function register(program: Command): void {
  const command = program
    .command('invariance <models...>')
    .description('how far embeddings move under seven transformations; the same command resumes')
    .requiredOption('--tasks <dir|glob|suite>', 'tasks whose clips are transformed, as for `unlabel eval`')
    .option('--only <glob>', 'tasks whose id matches, e.g. "fluid-*"')
    .option('-o, --out <dir>', 'where the report and the embeddings go', 'out/invariance')
    .option('--clips <n>', 'clips of each task, drawn once from --seed', positiveInt, 100)
    .option('--seconds <s>', 'of each clip, its first', positiveInt, 5)
    .addHelpText(
      'after',
      `
The transformations are MT-SLVR's: pitch_shift, fade, white_noise, mixed_noise, time_stretch, time_masking, time_shift. All models hear
the same transformed clips. A model with branches (MT-SLVR: contrastive and predictive) is measured by branch and as a whole.
"relative" is the Mahalanobis distance over its mean between two different clips: 0 unmoved, 1 as far as another clip. Lower: more
invariant. Writes invariance.csv, .json and .svg.
${examples([
  'unlabel invariance out/mt-slvr-small out/mt-slvr-small@init --tasks quickstart',
  'unlabel invariance out/mine logmel-stats --tasks ~/hear/tasks/esc50-v2.0.0-full --clips 200',
])}`,
    );
  withDisplay(withSeed(withEngine(withForeign(command)))).action(
    async (models: string[], options: InvarianceCliOptions) => {
      const { runInvariance } = await import('../invariance/run.ts');
      await runInvariance(models, options);
    },
  );
}
