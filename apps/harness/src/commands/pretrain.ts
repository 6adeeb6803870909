/** `unlabel pretrain METHOD`: train a method on unlabelled audio or images, into a run directory. */
import type { Command } from 'commander';
import {
  collect,
  examples,
  positiveInt,
  withDisplay,
  withEngine,
  withSeed,
  withWorkers,
  type EngineCliOptions,
} from '../options.ts';

export interface PretrainOptions extends EngineCliOptions {
  readonly data: string[];
  readonly preset: string;
  readonly from?: string;
  readonly config?: string;
  readonly set?: string[];
  readonly out?: string;
  readonly seed: number;
  readonly workers?: number;
  readonly display?: string;
  readonly checkpointEvery: string;
  readonly probe?: string;
  readonly probeEvery?: number;
  readonly stages?: string;
  readonly strategy?: string;
  readonly distance?: string;
}

export function register(program: Command): void {
  const command = program
    .command('pretrain <method>')
    .description('pre-train a method on unlabelled audio or images; the same command resumes')
    .requiredOption('--data <path>', 'folder, .jsonl index or file; repeatable', collect)
    .option('--preset <name>', 'named settings of the method', 'paper')
    .option(
      '--from <model>',
      'a trained network to begin with: a run, a model folder, a checkpoint of the zoo (beats: the teacher of its first tokenizer)',
    )
    .option('--stages <a,b>', 'methods that `pretrain multi` combines, in their order')
    .option('--strategy <name>', 'multi: il, joint, progressive, concat')
    .option('--distance <name>', 'multi, il: none, euclidean, contrastive')
    .option('--config <file>', 'JSON with config fields and a "recipe"')
    .option('--set <key=value>', 'override a field, e.g. recipe.lr=0.01; repeatable', collect)
    .option('-o, --out <dir>', 'run directory (default: out/<method>-<preset>)')
    .option('--checkpoint-every <seconds>', 'how much a kill may lose', '30')
    .option('--probe <task-dir>', 'draw a probe curve on this task while training')
    .option(
      '--probe-every <steps>',
      'steps between two points of the probe curve (default: a tenth of the run)',
      positiveInt,
    )
    .addHelpText(
      'after',
      examples([
        'unlabel pretrain delores-s --data ~/sounds                        the paper’s values',
        'unlabel pretrain delores-s --data ~/sounds --preset quickstart --set recipe.lr=0.05',
        'unlabel pretrain delores-s --data out/data/pretrain/disjoint.jsonl --out out/mine --seed 1',
        'unlabel pretrain atst-clip --data ~/notes --set "recipe.varispeed=[-4,-2,2,4]"   at five speeds each',
        'unlabel pretrain ./my-method.ts --data ~/sounds                  a module with a method',
        'unlabel pretrain multi --stages delores-s,delores-m --strategy il --distance contrastive --data ~/sounds',
        'unlabel pretrain beats --from beats_base.beats_audioset_iter3 --set iterations=2 --data ~/sounds',
      ]),
    );
  withDisplay(withWorkers(withSeed(withEngine(command)))).action(async (method: string, options: PretrainOptions) => {
    const { runPretrain } = await import('../pretrain/run.ts');
    await runPretrain(method, options);
  });
}
