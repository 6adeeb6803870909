/** COCO's numbers of a results file, as a table, JSON or CSV. */
import type { CocoEvaluation, CocoParams } from '@unlabel/probes';
import { basename } from 'node:path';
import { sha256File } from '@unlabel/formats';
import { writeBoardResult, type BoardOptions } from './board-result.ts';
import { csvOf, fraction, tableOf, type Format } from './format.ts';

export interface ScoreCocoOptions extends BoardOptions {
  readonly annotations: string;
  readonly results: string;
  readonly iou: 'bbox' | 'segm';
  readonly categories: boolean;
  readonly idZero: 'as-cocoeval' | 'as-any';
  readonly format: Format;
}

const titles: Readonly<Record<string, string>> = {
  AP: 'IoU 0.50:0.95, all areas, 100 detections',
  AP50: 'IoU 0.50',
  AP75: 'IoU 0.75',
  APsmall: 'objects below 32² pixels',
  APmedium: 'objects of 32² to 96² pixels',
  APlarge: 'objects above 96² pixels',
  AR1: '1 detection an image and category',
  AR10: '10 detections',
  AR100: '100 detections',
  ARsmall: 'objects below 32² pixels',
  ARmedium: 'objects of 32² to 96² pixels',
  ARlarge: 'objects above 96² pixels',
};

/** @returns what goes to stdout, and the notes for stderr */
export async function scoreCoco(options: ScoreCocoOptions): Promise<{ output: string; notes: readonly string[] }> {
  const { readCocoDetections, readCocoGroundTruth } = await import('@unlabel/tasks');
  const { evaluateCoco } = await import('@unlabel/probes');
  const withMasks = options.iou === 'segm';
  const truth = await readCocoGroundTruth(options.annotations, { withMasks });
  const detections = await readCocoDetections(options.results, truth, { withMasks });
  const params: Partial<CocoParams> = {
    iou: options.iou,
    useCategories: options.categories,
    idZeroIsNoMatch: options.idZero === 'as-cocoeval',
  };
  const evaluation = evaluateCoco(truth, detections, params);
  const counts = { images: truth.images.length, objects: truth.objects.count, detections: detections.count };
  const written = await writeBoardResult(options, {
    detections: options.results,
    fingerprint: await sha256File(options.results),
    task: {
      id: basename(options.annotations, '.json').toLowerCase(),
      revision: `coco@${(await sha256File(options.annotations)).slice(0, 12)}`,
    },
    protocol: `coco-${options.iou}/v1`,
    options: { iou: options.iou, categories: options.categories, idZero: options.idZero },
    scores: Object.entries(evaluation.stats).map(([name, value]) => [name, orNull(value)] as const),
    images: truth.images.length,
  });
  const notes = [...evaluation.notes, ...(written === undefined ? [] : [written])];
  return { output: render(evaluation, counts, options.format), notes };
}

/** COCOeval's −1 is a score that does not exist. */
const orNull = (value: number): number | null => (value < 0 ? null : value);

function render({ stats, perCategory, params, notes }: CocoEvaluation, counts: object, format: Format): string {
  if (format === 'json') {
    const nullStats = Object.fromEntries(Object.entries(stats).map(([name, value]) => [name, orNull(value)]));
    const categories = perCategory.map(({ AP, AP50, AP75, AR, ...rest }) => ({
      ...rest,
      AP: orNull(AP),
      AP50: orNull(AP50),
      AP75: orNull(AP75),
      AR: orNull(AR),
    }));
    const { iou, useCategories, idZeroIsNoMatch } = params;
    const result = {
      metric: 'coco',
      iou,
      useCategories,
      idZeroIsNoMatch,
      ...counts,
      stats: nullStats,
      categories,
      notes,
    };
    return `${JSON.stringify(result, null, 2)}\n`;
  }
  const rows = perCategory.map(({ id, name, objects, detections, AP, AP50, AP75, AR }) => ({
    id,
    category: name,
    objects,
    detections,
    ...(format === 'csv'
      ? { AP: orNull(AP), AP50: orNull(AP50), AP75: orNull(AP75), AR: orNull(AR) }
      : { AP: fraction(AP), AP50: fraction(AP50), AP75: fraction(AP75), AR: fraction(AR) }),
  }));
  if (format === 'csv') return csvOf(rows);
  const summary = Object.entries(stats).map(([score, value]) => ({
    score,
    value: fraction(value),
    of: titles[score] ?? '',
  }));
  return `${tableOf(summary)}\n${tableOf(rows)}`;
}
