/** `unlabel eval MODEL…`: embed tasks with frozen models, probe, score. */
import { Option, type Command } from 'commander';
import { examples, withDisplay, withEngine, withSeed, withWorkers, type EngineCliOptions } from '../options.ts';

export interface EvalOptions extends EngineCliOptions {
  readonly tasks: string;
  readonly only?: string;
  readonly out: string;
  readonly protocol: string;
  readonly rerun: string;
  readonly seed: number;
  readonly workers?: number;
  readonly display?: string;
}

export function register(program: Command): void {
  const command = program
    .command('eval <models...>')
    .description('evaluate models on tasks; the same command resumes')
    .requiredOption(
      '--tasks <dir|suite>',
      'a HEAR-style task directory, a folder of them, or an embedded suite (quickstart)',
    )
    .option('--only <glob>', 'tasks whose id matches, e.g. "fluid-*"')
    .option('-o, --out <dir>', 'where results and embeddings go', 'out/eval')
    .addOption(new Option('--protocol <id>', 'probe').choices(['linear/v1', 'mlp/v1']).default('linear/v1'))
    .addOption(
      new Option('--rerun <when>', 'results that exist: make again when inputs changed (missing), never, always')
        .choices(['missing', 'never', 'always'])
        .default('missing'),
    )
    .addHelpText(
      'after',
      `
Writes out/results/<model>/<fingerprint>/<task>.<protocol>.s<seed>.json (scores, intervals, selection, timings, environment),
the test predictions beside it, and out/embeddings/ (shared by all probes).
${examples([
  'unlabel eval out/mine logmel-stats chance --tasks ~/hear/tasks --only "esc50*"',
  'unlabel eval out/mine out/mine@init --tasks quickstart -o out/eval && unlabel leaderboard build out/eval -o out/board',
])}`,
    );
  withDisplay(withWorkers(withSeed(withEngine(command)))).action(async (models: string[], options: EvalOptions) => {
    const { runEval } = await import('../evaluate/run.ts');
    await runEval(models, options);
  });
}
