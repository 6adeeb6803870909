/** What `unlabel validate` does. */
import { messageOf } from '@unlabel/core';
import type { ValidateCliOptions } from '../commands/validate.ts';
import { createDisplay } from '../display/display.ts';
import { openModel, parseModel } from '../models/resolve.ts';
import { engineOptionsOf } from '../options.ts';
import { validateEmbedder, type Finding } from './validate.ts';

const signs = { ok: 'ok     ', warning: 'warning', error: 'ERROR  ' } as const;

export async function runValidate(models: readonly string[], options: ValidateCliOptions): Promise<void> {
  const display = createDisplay(options.display);
  const refs = models.map((model) => parseModel(model, options.seed, options));
  if (refs.some(({ kind }) => kind === 'directory' || kind === 'random')) {
    const { useEngine } = await import('@unlabel/engine');
    await useEngine(engineOptionsOf(options));
  }
  const reports: { model: string; findings: Finding[] }[] = [];
  for (const [i, ref] of refs.entries()) {
    const progress = display.task(`validate ${models[i]!}`);
    const findings = await findingsOf(ref, options, (check) => progress.update(0, check));
    progress.finish();
    reports.push({ model: models[i]!, findings });
  }
  display.close();
  if (options.json) process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
  else process.stdout.write(reports.map(reportText).join('\n'));
  if (reports.some(({ findings }) => findings.some(({ level }) => level === 'error'))) process.exitCode = 1;
}

async function findingsOf(
  ref: Parameters<typeof openModel>[0],
  options: ValidateCliOptions,
  onCheck: (check: string) => void,
): Promise<Finding[]> {
  let embedder;
  try {
    embedder = await openModel(ref);
  } catch (error) {
    return [{ level: 'error', check: 'open', detail: messageOf(error) }];
  }
  try {
    return await validateEmbedder(embedder, { long: options.long, onCheck });
  } finally {
    embedder.dispose?.();
  }
}

function reportText({ model, findings }: { readonly model: string; readonly findings: readonly Finding[] }): string {
  const count = (level: Finding['level']): number => findings.filter((one) => one.level === level).length;
  const lines = findings.map(
    ({ level, check, detail }) => `  ${signs[level]}  ${check.padEnd(26)} ${detail.replaceAll('\n', '\n    ')}\n`,
  );
  return `${model}\n${lines.join('')}  ${count('ok')} ok, ${count('warning')} warnings, ${count('error')} errors\n`;
}
