/** The drawings of an emoji package: which there are, what they show, and their pixels. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, messageOf } from '@unlabel/core';
import { decodeImage } from '@unlabel/image';
import { z } from 'zod';
import { slug } from '../task-plan.ts';
import { emojiPackage, type Vendor } from './packages.ts';

export interface Emoji {
  /** `1f600`: its code points, which name the file. */
  readonly id: string;
  readonly path: string;
  /** `animals-nature`, one of seven. */
  readonly category: string;
  /** Equal for variants of one emoji: gender, hours of the clock, phases of the moon, colours of the heart. */
  readonly group: string;
}

const entrySchema = z.looseObject({
  unified: z.string(),
  image: z.string().regex(/^[0-9a-f-]+\.png$/),
  short_name: z.string(),
  category: z.string(),
  obsoleted_by: z.string().optional(),
  has_img_twitter: z.boolean(),
  has_img_google: z.boolean(),
});
type Entry = z.output<typeof entrySchema>;

/** Flags are names of places; skin tones are five squares. */
const leftOut = ['Flags', 'Skin Tones'];

/** Variants that code points do not tell. */
const families: readonly (readonly [pattern: RegExp, group: string])[] = [
  [/^clock\d+$/, 'clock faces'],
  [/moon(_with_face)?$/, 'moons'],
  [/^(black|blue|green|yellow|purple|orange)_heart$|^heart$|^hearts$/, 'hearts'],
  [/^(large|small|white|black).*(square|diamond|circle|triangle).*$/, 'plain shapes'],
];

/** Code points without gender, skin and variation: men, women and persons of one trade, sport or gesture are one. */
function groupOf({ unified, short_name: name }: Entry): string {
  for (const [pattern, group] of families) if (pattern.test(name)) return group;
  const points = unified.split('-');
  if (points.includes('20E3')) return 'keycaps';
  if (points.filter((point) => /^1F46[6-9]$/.test(point)).length > 1 || name === 'family') {
    return points.includes('2764') ? (points.includes('1F48B') ? 'kisses' : 'couples') : 'families';
  }
  const isPerson = points.length > 1 && (points[0] === '1F468' || points[0] === '1F469');
  const rest = points.slice(1).filter((point) => !['FE0F', '200D', '2640', '2642'].includes(point));
  return [isPerson ? 'person' : points[0]!, ...rest].join('-');
}

/**
 * Drawings that a package has of faces, people, animals, food, places, activities, objects and symbols, in order of their code
 * points.
 * @throws DataError when the package's list cannot be read
 */
export function emojiOf(vendor: Vendor, folders: ReadonlyMap<string, string>): Emoji[] {
  const folder = folders.get(emojiPackage(vendor).name)!;
  const path = join(folder, 'emoji.json');
  let entries: Entry[];
  try {
    entries = z.array(entrySchema).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new DataError(`${path}: is not the list of emoji that was expected (${messageOf(cause)})`, { cause });
  }
  const byCode = new Map(entries.map((entry) => [entry.unified, entry]));
  return entries
    .filter((entry) => entry[`has_img_${vendor}`] && !leftOut.includes(entry.category))
    .map((entry) => ({
      id: entry.image.slice(0, -4),
      path: join(folder, 'img', vendor, '64', entry.image),
      category: slug(entry.category),
      group: groupOf(byCode.get(entry.obsoleted_by ?? '') ?? entry),
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Colours [h, w, 3], multiplied by their opacity, and opacity [h, w], 0 … 255. */
export interface CutOut {
  readonly width: number;
  readonly height: number;
  readonly color: Uint8Array;
  readonly alpha: Uint8Array;
}

/** Over black a pixel is its colour times its opacity; what white adds to it is what shines through. */
export async function readCutOut({ path }: Pick<Emoji, 'path'>): Promise<CutOut> {
  const [black, white] = [await decodeImage(path, { alpha: 'black' }), await decodeImage(path, { alpha: 'white' })];
  const { width, height } = black;
  const alpha = Uint8Array.from({ length: width * height }, (_, i) => 255 - (white.data[3 * i]! - black.data[3 * i]!));
  return { width, height, color: black.data, alpha };
}
