/** Small generated images for tests: coloured shapes on coloured grounds, one shape a class, as portable pixmaps. */
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { writeFileAtomic } from '@unlabel/formats';

export interface PictureOptions {
  readonly count: number;
  readonly width: number;
  readonly height: number;
}

/** Write `count` files to `dir`; returns their paths. File i shows shape i mod 3: a disc, a bar, a ring. */
export async function writePictures(dir: string, { count, width, height }: PictureOptions): Promise<string[]> {
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const path = join(dir, `picture-${String(i).padStart(3, '0')}.ppm`);
    const header = new TextEncoder().encode(`P6 ${width} ${height} 255\n`);
    await writeFileAtomic(path, [header, picture(i, width, height)]);
    paths.push(path);
  }
  return paths;
}

function picture(index: number, width: number, height: number): Uint8Array {
  const rng = createRng(2000 + index);
  const color = (): number[] => [0, 1, 2].map(() => rng.int(256));
  const [ground, ink] = [color(), color()];
  const [cx, cy] = [rng.range(0.35, 0.65), rng.range(0.35, 0.65)];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const [dx, dy] = [(x + 0.5) / width - cx, (y + 0.5) / height - cy];
      const r = Math.hypot(dx, dy);
      const isInk = [r < 0.3, Math.abs(dx) < 0.12, r > 0.2 && r < 0.35][index % 3];
      data.set((isInk ? ink : ground).map((v) => Math.min(255, Math.max(0, v + rng.int(21) - 10))), at); // prettier-ignore
    }
  }
  return data;
}
