/** SiT (Sara-Ahmed/SiT; sit.md): version 1 with rotation and contrastive tokens, version 2 on DINO's transformer with a class token. */
import type { KeyMap } from './key-map.ts';
import { vitConfig, vitShapes } from './vit-shapes.ts';

export const sit: KeyMap = {
  id: 'sit',
  title: 'SiT, versions 1 and 2',
  source: 'Sara-Ahmed/SiT',
  family: 'vit',
  parts: {
    teacher: ['teacher.backbone.', 'teacher.module.backbone.', 'model.', 'module.backbone.', ''],
    student: ['student.module.backbone.', 'student.backbone.', 'module.backbone.', ''],
  },
  signature: [
    /^(rot_token|contrastive_token|cls_token)$/,
    /^patch_embed\.proj\.weight$/,
    /^(rot_|head\.2\.|contrastive_)/,
  ],
  leftOut: [
    [/^(rot|contrastive|recons)_w$/, 'weight of a loss'],
    [/^(pre_logits_\w+|rot_head|contrastive_head|head)\./, 'heads of the pretext tasks'],
    [/^convTrans\./, 'reconstruction head'],
  ],
  configOf: vitConfig,
  expected: vitShapes,
};
