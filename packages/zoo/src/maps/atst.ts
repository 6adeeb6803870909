/** ATST-Clip and ATST-Frame (Audio-WestlakeU/audiossl@ec3a14d; atst.md §7): Lightning and DINO-style files, student and teacher. */
import { frontEnds } from '@unlabel/audio';
import { countLayers, shapeList, sizeAt, type KeyMap } from './key-map.ts';
import { transformerBlocks } from './vit-shapes.ts';

/** Of every published network; a patch is all bands of so many frames. */
const patchFrames = 4;

export const atst: KeyMap = {
  id: 'atst',
  title: 'ATST-Clip and ATST-Frame',
  source: 'Audio-WestlakeU/audiossl audiossl/models/atst@ec3a14d',
  family: 'atst',
  parts: {
    teacher: [
      'state_dict.model.teacher.encoder.',
      'model.teacher.encoder.',
      'teacher.module.backbone.',
      'teacher.backbone.',
      'teacher.encoder.',
      '',
    ],
    student: [
      'state_dict.model.student.encoder.',
      'model.student.encoder.',
      'student.module.backbone.',
      'student.backbone.',
      'student.encoder.',
    ],
  },
  signature: [/^mask_embed$/, /^patch_embed\.patch_embed\.weight$/, /^blocks\.0\.attn\.qkv\.weight$/],
  leftOut: [[/^head\./, 'head']],
  configOf(shapes) {
    const width = sizeAt(shapes, 'mask_embed', 2);
    return {
      variant: shapes.has('cls_token') ? 'clip' : 'frame',
      depth: countLayers(shapes, 'blocks'),
      width,
      // no name tells: heads are 64 wide in all published networks; narrower ones, made for tests, have four
      heads: width % 64 === 0 ? width / 64 : 4,
      hidden: sizeAt(shapes, 'blocks.0.mlp.fc1.weight', 0),
      bands: sizeAt(shapes, 'patch_embed.patch_embed.weight', 1) / patchFrames,
      patchFrames,
      positions: sizeAt(shapes, 'pos_embed', 1),
    };
  },
  expected(config) {
    const { variant, depth, width, hidden, bands, positions } = config as {
      [Name in 'depth' | 'width' | 'hidden' | 'bands' | 'positions']: number;
    } & { variant: string };
    const list = shapeList();
    list.tensor('mask_embed', 1, 1, width);
    if (variant === 'clip') list.tensor('cls_token', 1, 1, width);
    list.tensor('pos_embed', 1, positions, width);
    list.linear('patch_embed.patch_embed', width, bands * patchFrames);
    transformerBlocks(list, { depth, width, hidden, qkvBias: false });
    list.norm(variant === 'clip' ? 'norm' : 'norm_frame', width);
    return list.shapes;
  },
  input: { modality: 'audio', sampleRate: 16000, frontEnd: { ...frontEnds.atst } },
};
