/** `unlabel predict DIR…`: HEAR's predictor on embeddings that hear-eval-kit, or anything like it, made. */
import { Option, type Command } from 'commander';
import {
  examples,
  numberList,
  withDisplay,
  withEngine,
  withSeed,
  withWorkers,
  type EngineCliOptions,
} from '../options.ts';

export interface PredictOptions extends EngineCliOptions {
  readonly out: string;
  readonly protocol: string;
  readonly grid: 'default' | 'fast' | 'faster';
  readonly name?: string;
  readonly rerun: string;
  readonly seed: number;
  readonly seeds?: readonly number[];
  readonly workers?: number;
  readonly display?: string;
}

export function register(program: Command): void {
  const command = program
    .command('predict <dirs...>')
    .description('HEAR’s predictor on directories of embeddings; the same command resumes')
    .option('-o, --out <dir>', 'where results go', 'out/predict')
    .option('--protocol <id>', 'hear-faithful/v1, hear-better/v1, or another probe', 'hear-faithful/v1')
    .addOption(
      new Option('--grid <name>', 'HEAR’s grids of hyper-parameters')
        .choices(['default', 'fast', 'faster'])
        .default('default'),
    )
    .option('--name <model>', 'what made the embeddings (default: the folder above)')
    .option('--seeds <list>', 'one result each, e.g. 0-4 (default: --seed)', numberList)
    .addOption(
      new Option('--rerun <when>', 'results that exist: keep them (missing), or make them again (always)')
        .choices(['missing', 'always'])
        .default('missing'),
    )
    .addHelpText(
      'after',
      `
A directory holds a task's metadata, vocabulary and label files, and for each split <split>.embeddings.npy (raw float32),
<split>.embedding-dimensions.json, <split>.target-labels.pkl, and for event tasks <split>.filename-timestamps.json.
Writes out/results/<model>/<task>.<protocol>.s<seed>.json, the test predictions, and .test.predicted-scores.json with
the official tool's fields.
${examples([
  'unlabel predict embeddings/mymodel/esc50-v2.0.0-full',
  'unlabel predict embeddings/mymodel/* --seeds 0-4 -o out/hear && unlabel leaderboard build out/hear -o out/board',
])}`,
    );
  withDisplay(withWorkers(withSeed(withEngine(command)))).action(async (dirs: string[], options: PredictOptions) => {
    const { runPredict } = await import('../predict/predict.ts');
    await runPredict(dirs, options);
  });
}
