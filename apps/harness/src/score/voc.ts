/** VOC average precision of detections made elsewhere, as a table, JSON or CSV. */
import type { VocEvaluation, VocOptions } from '@unlabel/probes';
import { basename, resolve } from 'node:path';
import { sha256 } from '@unlabel/formats';
import { writeBoardResult, type BoardOptions } from './board-result.ts';
import { csvOf, fraction, tableOf, type Format } from './format.ts';

export interface ScoreVocOptions extends BoardOptions {
  readonly tree: string;
  readonly split: string;
  readonly results: string;
  readonly rules: VocOptions['rules'];
  readonly format: Format;
}

/**
 * @returns what goes to stdout, and the notes for stderr
 * @throws DataError with every fault of the tree's lists and annotations; its images are not needed
 */
export async function scoreVoc(options: ScoreVocOptions): Promise<{ output: string; notes: readonly string[] }> {
  const { isVocTree, readVocDetections, readVocTask, vocTruthOf } = await import('@unlabel/tasks');
  const { evaluateVoc } = await import('@unlabel/probes');
  const { DataError } = await import('@unlabel/core');
  if (!isVocTree(options.tree))
    throw new DataError(`${options.tree}: expected a VOC tree, a folder with ImageSets/Main such as VOCdevkit/VOC2007`);
  const { task, faults, warnings } = await readVocTask(options.tree, { needsImages: false });
  if (!task || faults.length > 0) throw new DataError(`${options.tree}: cannot be scored against`, { faults });
  const truth = vocTruthOf(task, options.split);
  const detections = await readVocDetections(options.results, task.vocabulary);
  const evaluation = evaluateVoc(truth, task.vocabulary, detections, { rules: options.rules });
  const counts = { images: truth.size, detections: detections.length };
  const { mean: means, options: used } = evaluation;
  const at50 = used.iouThresholds.indexOf(0.5);
  const written = await writeBoardResult(options, {
    detections: options.results,
    fingerprint: sha256(JSON.stringify(detections)),
    task: { id: `${basename(resolve(options.tree)).toLowerCase()}-${options.split}`, revision: task.revision },
    protocol: `voc-${options.rules}/v1`,
    options: { rules: options.rules, split: options.split },
    scores: [
      ['AP50', orNull(means.apArea[at50]!)],
      ['AP50_11point', orNull(means.ap11[at50]!)],
      ['AP', orNull(mean(means.apArea))],
    ],
    images: truth.size,
  });
  const notes = [...warnings, ...evaluation.notes, ...(written === undefined ? [] : [written])];
  return { output: render(evaluation, counts, options), notes };
}

const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function render(
  { perClass, mean: means, options }: VocEvaluation,
  counts: object,
  { format, split }: ScoreVocOptions,
): string {
  const { iouThresholds, rules } = options;
  const at = (values: readonly number[], threshold: number): number => values[iouThresholds.indexOf(threshold)]!;
  const scoresOf = ({ ap11, apArea }: VocEvaluation['mean']): Record<string, number> => ({
    'AP50 11-point': at(ap11, 0.5),
    'AP75 11-point': at(ap11, 0.75),
    'AP 11-point': mean(ap11),
    'AP50 area': at(apArea, 0.5),
    'AP75 area': at(apArea, 0.75),
    'AP area': mean(apArea),
  });
  if (format === 'json') {
    const listed = ({ ap11, apArea }: VocEvaluation['mean']): object => ({
      ap11: ap11.map(orNull),
      apArea: apArea.map(orNull),
    });
    const classes = perClass.map((one) => ({ ...one, ...listed(one) }));
    return `${JSON.stringify({ metric: 'voc', rules, split, iouThresholds, ...counts, mean: listed(means), classes }, null, 2)}\n`;
  }
  const positives = perClass.reduce((sum, one) => sum + one.positives, 0);
  const all = { name: 'mean', positives, detections: perClass.reduce((sum, one) => sum + one.detections, 0), ...means };
  const rows = [...perClass, all].map((one) => {
    const scores = Object.entries(scoresOf(one));
    const shown = scores.map(([name, value]) => [name, format === 'csv' ? orNull(value) : fraction(value)]);
    return { class: one.name, objects: one.positives, detections: one.detections, ...Object.fromEntries(shown) };
  });
  return format === 'csv' ? csvOf(rows) : tableOf(rows);
}
