/** `unlabel zoo export`, `import` and `card`: runs and authors' files as checkpoints. */
import { ConfigError } from '@unlabel/core';
import { Option, type Command } from 'commander';
import { collect, examples } from '../options.ts';

interface ExportCliOptions {
  readonly out?: string;
  readonly id?: string;
  readonly site?: string;
  readonly dtype: 'float32' | 'float16' | 'bfloat16';
  readonly licence: string;
  readonly data?: readonly string[];
}

interface ImportCliOptions {
  readonly out: string;
  readonly upstream?: string;
  readonly select?: string;
  readonly strict: string;
  readonly dtype: 'float32' | 'float16' | 'bfloat16';
  readonly licence: string;
  readonly normalization?: string;
}

function normalizationOf(text: string | undefined): { mean: number; std: number } | undefined {
  if (text === undefined) return undefined;
  const [mean, std, ...rest] = text.split(',').map(Number);
  if (rest.length > 0 || !Number.isFinite(mean) || !(std! > 0))
    throw new ConfigError(`--normalization ${text}: expected two numbers, such as -9.66,4.51`);
  return { mean: mean!, std: std! };
}

export function registerExport(zoo: Command): void {
  zoo
    .command('export [runs...]')
    .description('turn a run into a checkpoint folder (weights, config, card, manifest), or checkpoints into a site')
    .option('-o, --out <dir>', 'checkpoint folder to make')
    .option('--site <dir>', 'write checkpoints (default: those that ship) as a static index that any web server serves')
    .option('--id <id>', '<backbone>.<method>_<data>, as audiontt_d512.delores-s_disjoint')
    .addOption(
      new Option('--dtype <type>', 'how weights are stored')
        .choices(['float32', 'float16', 'bfloat16'])
        .default('float32'),
    )
    .option('--licence <id>', 'of the weights', 'Apache-2.0')
    .option('--data <line>', 'a line about the training data, for the card (repeatable)', collect)
    .addHelpText(
      'after',
      examples([
        'unlabel zoo export out/mine -o out/audiontt_d512.delores-s_mine --id audiontt_d512.delores-s_mine --dtype float16',
        'unlabel zoo export --site public',
        'unlabel eval out/audiontt_d512.delores-s_mine --tasks quickstart -o out/eval && unlabel zoo card out/audiontt_d512.delores-s_mine --eval out/eval',
      ]),
    )
    .action(async (runs: string[], { data = [], out, id, site, ...options }: ExportCliOptions) => {
      if (site !== undefined) {
        const { exportSite } = await import('../zoo/site.ts');
        process.stdout.write(await exportSite(site, runs));
        return;
      }
      if (runs.length !== 1 || out === undefined || id === undefined)
        throw new ConfigError('zoo export: expected RUN --out DIR --id ID, or --site DIR [CHECKPOINT…]');
      const { exportRun } = await import('../zoo/export.ts');
      const card = await exportRun(runs[0]!, { ...options, out, id, data });
      process.stdout.write(`${card.id} in ${out}: ${card.params.toLocaleString('en')} values as ${card.dtype}\n`);
    });
  zoo
    .command('import <file>')
    .description(
      'turn an authors’ file (torch, old torch, safetensors, npz) into a checkpoint folder; nothing in it is run',
    )
    .requiredOption('-o, --out <dir>', 'folder to make')
    .option('--upstream <id>', 'whose names it has (default: found by them)')
    .option('--select <part>', 'teacher or student, query or key (default: what the authors keep)')
    .option('--strict <flag>', 'false: report tensors that do not fit instead of refusing the file', 'true')
    .addOption(
      new Option('--dtype <type>', 'how weights are stored')
        .choices(['float32', 'float16', 'bfloat16'])
        .default('float32'),
    )
    .option('--licence <id>', 'of the weights', 'as its authors say')
    .option('--normalization <mean,std>', 'of the front-end’s output, for networks that expect their data’s')
    .addHelpText(
      'after',
      examples([
        'unlabel zoo import moco_v2_800ep.pth.tar -o out/moco',
        'unlabel zoo import model.ckpt --select student -o out/student',
      ]),
    )
    .action(async (file: string, options: ImportCliOptions) => {
      if (!['true', 'false'].includes(options.strict))
        throw new ConfigError(`--strict ${options.strict}: expected true or false`);
      const { importFile } = await import('../zoo/import.ts');
      const { imported, tensors, isUsable } = await importFile(file, {
        ...options,
        strict: options.strict === 'true',
        normalization: normalizationOf(options.normalization),
      });
      const { map, config, report } = imported;
      process.stdout.write(`${map.title}: ${tensors} tensors, ${map.family} ${JSON.stringify(config)}\n`);
      const reasons = new Map<string, number>();
      for (const { why } of report.skipped) reasons.set(why, (reasons.get(why) ?? 0) + 1);
      for (const [why, count] of reasons) process.stdout.write(`  left out: ${count} (${why})\n`);
      for (const fault of report.faults) process.stdout.write(`  left out: ${fault}\n`);
      if (map.caution) process.stdout.write(`  ${map.caution}\n`);
      if (!isUsable)
        process.stdout.write(`  no ${map.family} network is built yet: the weights are converted, and cannot embed\n`);
      process.stdout.write(`in ${options.out}\n`);
    });
  zoo
    .command('card <checkpoint>')
    .description('show a checkpoint’s card, or write measured scores into it')
    .option('--eval <dir>', 'results of `unlabel eval` on this checkpoint (repeatable)', collect)
    .addHelpText(
      'after',
      examples(['unlabel zoo card audiontt_d512.delores-s_disjoint', 'unlabel zoo card out/mine --eval out/eval']),
    )
    .action(async (checkpoint: string, options: { eval?: readonly string[] }) => {
      const { addResults, showCard } = await import('../zoo/card.ts');
      if (options.eval) {
        const count = await addResults(checkpoint, options.eval);
        process.stdout.write(`${count} results in the card of ${checkpoint}\n`);
      } else process.stdout.write(await showCard(checkpoint));
    });
}
