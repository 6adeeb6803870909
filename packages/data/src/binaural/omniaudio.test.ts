import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeNpy, decodeWav, encodeWav } from '@unlabel/formats';
import { encodePng } from '@unlabel/image';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { importOmniAudio } from './omniaudio.ts';

// A tree in the layout of the authors' extraction scripts; the archive itself cannot be shipped.

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'unlabel-omni-'))));
afterEach(() => rmSync(root, { recursive: true }));

const sampleRate = 1000;
const [height, width] = [4, 8];

function write(path: string, bytes: Uint8Array): void {
  mkdirSync(join(root, 'from', path, '..'), { recursive: true });
  writeFileSync(join(root, 'from', path), bytes);
}
const grey = (at: (x: number, y: number) => number): Uint8Array =>
  encodePng({
    width,
    height,
    data: Uint8Array.from({ length: height * width * 3 }, (_, i) =>
      at(Math.floor(i / 3) % width, Math.floor(i / 3 / width)),
    ),
  });

interface SceneOptions {
  readonly tracks?: readonly number[];
  readonly seconds?: number;
  readonly starts?: readonly number[];
  readonly sides?: boolean;
}

/** Track k is the constant k/100; frames are 200; the left half moves; a column is car, one train, the rest road. */
function scene(
  number: number,
  { tracks = [1, 2, 3, 4, 5, 6, 7, 8], seconds = 5, starts = [0, 2, 4], sides = true }: SceneOptions = {},
): void {
  const name = `scene${String(number).padStart(4, '0')}`;
  const stem = `LAB-T${String(number).padStart(3, '0')}`;
  for (const track of tracks) {
    const samples = new Float32Array(seconds * sampleRate).fill(track / 100);
    write(`${name}/${stem}.WAV/${stem}_Tr${track}.WAV`, encodeWav({ sampleRate, channels: [samples] }));
  }
  write(
    `${name}/bg.png`,
    grey((x) => (x < 3 ? 0 : 190)),
  );
  for (const start of starts) {
    const at = String(start).padStart(6, '0');
    write(
      `${name}/split_videoframes/VIDEO_0001_cropped_${at}.png`,
      grey(() => 200),
    );
    if (!sides) continue;
    write(
      `${name}/binary_semantic_change_masks/${at}_mask.png`,
      grey((x) => (x < 4 ? 255 : 127)),
    );
    write(
      `${name}/segment_splitframes/pred/${at}_mask.png`,
      grey((x) => (x === 0 || x === 7 ? 26 : x === 1 ? 31 : 7)),
    );
  }
}
const bring = () => importOmniAudio({ from: join(root, 'from'), out: join(root, 'out'), size: [height, width] });
const read = (path: string): Buffer => readFileSync(join(root, 'out', path));
const column = (path: string, x: number): number =>
  decodeNpy(read(path)).data[x * (path.includes('masks') ? 1 : 3)] as number;

test('ears are tracks 8 and 3, the turned ones 6 and 1; what stands is black; classes where they move', async () => {
  scene(3, { tracks: [1, 2, 5, 6, 7, 8] });
  scene(114);
  scene(139);
  scene(165);
  expect(await bring()).toEqual({ scenes: { train: 1, valid: 1, test: 1 }, skipped: ['scene0003'], hasClasses: true });
  const line = JSON.parse(read('train.jsonl').toString()) as Record<string, unknown>;
  expect(line).toMatchObject({ file: 'train/scene0114.wav', labels: ['car'], recording: 'omniaudio/scene0114' });
  const [wav, turned] = ['train/scene0114.wav', 'turned/train/scene0114.wav'].map((path) => decodeWav(read(path)));
  expect([wav!.sampleRate, wav!.frames]).toEqual([sampleRate, 4 * sampleRate]); // the third segment is not heard to its end
  const firsts = [wav!, turned!].flatMap(({ channels }) => channels.map(([first]) => Math.round(first! * 100)));
  expect(firsts).toEqual([8, 3, 6, 1]);
  expect(decodeNpy(read('train/scene0114.npy')).shape).toEqual([2, height, width, 3]);
  expect([0, 3, 4, 7].map((x) => column('train/scene0114.npy', x))).toEqual([200, 200, 0, 0]);
  expect([0, 1, 2, 7].map((x) => column('train/scene0114.masks.npy', x))).toEqual([1, 2, 0, 0]);
  expect(JSON.parse(read('card.json').toString())).toMatchObject({
    classes: ['car', 'train', 'motorcycle'],
    hasClasses: true,
  });

  const before = statSync(join(root, 'out/train/scene0114.wav')).mtimeMs;
  rmSync(join(root, 'from/scene0114/bg.png'));
  await bring(); // again: what is complete is not read anew
  expect(statSync(join(root, 'out/train/scene0114.wav')).mtimeMs).toBe(before);
});

test('without masks of what moves: what differs from the background; no label maps, no classes', async () => {
  scene(30, { sides: false });
  expect(await bring()).toMatchObject({ hasClasses: false, scenes: { train: 1 } });
  expect([0, 2, 3, 7].map((x) => column('train/scene0030.npy', x))).toEqual([200, 200, 0, 0]); // |200 − 190| ≤ 30
  expect(JSON.parse(read('train.jsonl').toString())).toMatchObject({ labels: [] });
});

test.each<[string, () => void, RegExp]>([
  ['no scenes', () => mkdirSync(join(root, 'from')), /expected folders scene0001 … scene0165/],
  ['no ears anywhere', () => scene(1, { tracks: [1, 6, 8] }), /no scene has the tracks 8 and 3/],
  ['no second pair', () => scene(40, { tracks: [3, 8, 6] }), /expected track 1 .*found 3, 6, 8/],
  [
    'frames not extracted',
    () => scene(40, { starts: [] }),
    /split_videoframes: expected frames .*extract_videosegments/,
  ],
  [
    'a gap among the frames',
    () => scene(40, { starts: [0, 4] }),
    /000004\.png: expected the frame of second 2 next, found 4/,
  ],
  ['too short', () => scene(40, { seconds: 1 }), /1\.0 s of sound are no segment of 2 s/],
  [
    'a label map in colours',
    () => {
      scene(40);
      const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => i % 3);
      write('scene0040/segment_splitframes/pred/000002_mask.png', encodePng({ width, height, data }));
    },
    /000002_mask\.png: expected one channel of label ids/,
  ],
  [
    'a mask that is missing',
    () => {
      scene(40);
      rmSync(join(root, 'from/scene0040/binary_semantic_change_masks/000002_mask.png'));
    },
    /000002_mask\.png: it is missing/,
  ],
])('%s', async (_name, make, reason) => {
  make();
  await expect(bring()).rejects.toThrow(reason);
});
