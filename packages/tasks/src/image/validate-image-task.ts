/** Everything that is wrong with an image task, its images decoded. */
import { messageOf, type ImageTask, type TaskImage } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import { decodeImage, readImageInfo } from '@unlabel/image';
import type { Findings } from '../read-text.ts';
import { readImageTask } from './open-image-task.ts';

/** Images decoded side by side. */
const atOnce = 4;
/** Messages after this many of an image's kind are counted. */
const maxListed = 100;

/**
 * Reads every label and decodes every image. Faults make results wrong or impossible; warnings are worth knowing. A path that
 * cannot be read at all is a fault, not a throw.
 */
export async function validateImageTask(path: string): Promise<{ faults: string[]; warnings: string[] }> {
  const { task, faults, warnings } = await readImageTask(path);
  if (!task) return { faults, warnings };
  const missing = new Set(
    faults.filter((fault) => fault.includes(': is missing')).map((fault) => fault.split(': ')[0]),
  );
  const first = new Map<string, string>();
  for (const [split, images] of task.splits) {
    const found: Findings = { faults: [], warnings: [] };
    const own = new Map<string, string>();
    const queue = images.filter(({ file }) => !missing.has(file) && !missing.has(file.split('/').at(-1)!)).values();
    const work = async (): Promise<void> => {
      for (const image of queue) await look(task, split, image, found, own);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    for (const [hash, file] of own) {
      const earlier = first.get(hash);
      // A detection split like trainval holds train by its definition.
      if (earlier !== undefined && task.layout === 'folders')
        found.faults.push(`${file}: is the same file as ${earlier}, in another split`);
      if (earlier === undefined) first.set(hash, file);
    }
    for (const [from, to] of [
      [found.faults, faults],
      [found.warnings, warnings],
    ] as const) {
      to.push(...from.sort().slice(0, maxListed));
      if (from.length > maxListed) to.push(`${split}: ${from.length - maxListed} more images like these`);
    }
  }
  await task.close();
  return { faults, warnings };
}

async function look(
  task: ImageTask,
  split: string,
  image: TaskImage,
  { faults, warnings }: Findings,
  hashes: Map<string, string>,
): Promise<void> {
  const { file, width, height } = image;
  try {
    const bytes = await task.readImage(split, image);
    const info = await readImageInfo(bytes, {}, file);
    const decoded = await decodeImage(bytes, { orientation: 'ignored' }, file);
    if (width !== undefined && height !== undefined && (decoded.width !== width || decoded.height !== height))
      faults.push(`${file}: has ${decoded.width} × ${decoded.height} pixels, its annotation says ${width} × ${height}`);
    if (info.orientation !== 1 && task.hasBoxes)
      warnings.push(`${file}: has EXIF orientation ${info.orientation}; boxes count the pixels as they are stored`);
    const hash = sha256(bytes);
    const twin = hashes.get(hash);
    if (twin !== undefined) warnings.push(`${file}: is the same file as ${twin}`);
    else hashes.set(hash, file);
  } catch (error) {
    const fault = messageOf(error);
    if (!faults.includes(fault)) faults.push(fault);
  }
}
