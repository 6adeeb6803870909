/** What `unlabel validate` does. */
import { messageOf, type Embedder, type ImageEmbedder } from '@unlabel/core';
import type { ValidateCliOptions } from '../commands/validate.ts';
import { createDisplay } from '../display/display.ts';
import { describeModel } from '../models/describe.ts';
import { isNetwork, openImageModel, openModel, parseModel, type ModelRef } from '../models/resolve.ts';
import { engineOptionsOf } from '../options.ts';
import type { Finding } from './findings.ts';
import { validateImageEmbedder } from './validate-images.ts';
import { validateEmbedder } from './validate.ts';

const signs = { ok: 'ok     ', warning: 'warning', error: 'ERROR  ' } as const;

export async function runValidate(models: readonly string[], options: ValidateCliOptions): Promise<void> {
  const display = createDisplay(options.display);
  const refs = models.map((model) => parseModel(model, options.seed, options));
  if (refs.some(isNetwork)) {
    const { useEngine } = await import('@unlabel/engine');
    await useEngine(engineOptionsOf(options));
  }
  const reports: { model: string; findings: readonly Finding[] }[] = [];
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
  ref: ModelRef,
  options: ValidateCliOptions,
  onCheck: (check: string) => void,
): Promise<readonly Finding[]> {
  let opened;
  try {
    opened = await open(ref);
  } catch (error) {
    return [{ level: 'error', check: 'open', detail: messageOf(error) }];
  }
  try {
    return await (opened.modality === 'image'
      ? validateImageEmbedder(opened.embedder, { onCheck })
      : validateEmbedder(opened.embedder, { long: options.long, onCheck }));
  } finally {
    opened.embedder.dispose?.();
  }
}

/** Python modules and ONNX files take sounds, and are opened only once. */
async function open(
  ref: ModelRef,
): Promise<{ modality: 'image'; embedder: ImageEmbedder } | { modality: 'audio'; embedder: Embedder }> {
  const isOurs = isNetwork(ref) || ref.kind === 'baseline';
  return isOurs && (await describeModel(ref)).modality === 'image'
    ? { modality: 'image', embedder: await openImageModel(ref) }
    : { modality: 'audio', embedder: await openModel(ref) };
}

function reportText({ model, findings }: { readonly model: string; readonly findings: readonly Finding[] }): string {
  const count = (level: Finding['level']): number => findings.filter((one) => one.level === level).length;
  const lines = findings.map(
    ({ level, check, detail }) => `  ${signs[level]}  ${check.padEnd(26)} ${detail.replaceAll('\n', '\n    ')}\n`,
  );
  return `${model}\n${lines.join('')}  ${count('ok')} ok, ${count('warning')} warnings, ${count('error')} errors\n`;
}
