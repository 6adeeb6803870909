/** `unlabel data import`: data sets that users have, brought into the layout that pre-training and the downstream tasks read. */
import { ConfigError, unknownName } from '@unlabel/core';
import { importOmniAudio } from '@unlabel/data';
import { createDisplay, type Progress } from '../display/display.ts';

export interface ImportOptions {
  readonly out: string;
  /** `<height>x<width>` of the pictures. */
  readonly size: string;
  readonly display?: string;
}

const sets = ['omniaudio'];

/** The same command goes on where it stopped. */
export async function importData(
  set: string,
  from: string,
  { out, size, display: kind }: ImportOptions,
): Promise<void> {
  if (!sets.includes(set)) throw new ConfigError(unknownName('data set', set, sets));
  const [height = 0, width = 0] = (/^([1-9]\d{0,3})x([1-9]\d{0,3})$/.exec(size) ?? []).slice(1).map(Number);
  if (!(height && width)) throw new ConfigError(`--size ${size}: expected <height>x<width> in pixels, like 64x128.`);
  const display = createDisplay(kind);
  try {
    let progress: Progress | undefined;
    const onProgress = (done: number, total: number, scene: string): void => {
      progress ??= display.task('import scenes', total);
      progress.update(done, scene);
    };
    const { scenes, skipped, hasClasses } = await importOmniAudio({ from, out, size: [height, width], onProgress });
    progress?.finish();
    if (skipped.length > 0)
      display.warn(`${skipped.length} scenes lack the tracks of the ears and are left out: ${skipped.join(', ')}`);
    if (!hasClasses)
      display.warn(
        'some scenes have no label maps (segment_splitframes/pred): they pre-train; retrieval by class and semantic prediction need the maps',
      );
    const counts = Object.entries(scenes).map(([split, count]) => `${count} ${split}`);
    display.line(`scenes in ${out}: ${counts.join(', ')}`);
  } finally {
    display.close();
  }
}
