/** DINO's vision transformers (facebookresearch/dino): student and teacher of a run, or the released backbone alone. */
import { imageNetInput } from './image-input.ts';
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';
import { vitConfig, vitFamilyConfig, vitShapes } from './vit-shapes.ts';

const parts = {
  teacher: ['teacher.backbone.', 'teacher.module.backbone.', 'backbone.', 'module.backbone.', ''],
  student: ['student.module.backbone.', 'student.backbone.', 'module.backbone.'],
};

export const dino: KeyMap = {
  id: 'dino',
  title: 'DINO, vision transformers',
  source: 'facebookresearch/dino vision_transformer.py@7c446df',
  family: 'vit',
  parts,
  signature: [/^cls_token$/, /^patch_embed\.proj\.weight$/, /^blocks\.0\.attn\.qkv\.weight$/],
  leftOut: [[/^head\./, 'classifier']],
  configOf: vitConfig,
  familyConfig: vitFamilyConfig,
  input: imageNetInput('bicubic'),
  expected: vitShapes,
};

export const dinoResnet: KeyMap = {
  id: 'dino-resnet',
  title: 'DINO, ResNet-50',
  source: 'facebookresearch/dino main_dino.py@7c446df',
  ...resnetNetwork,
  input: imageNetInput('bicubic'),
  parts,
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
  leftOut: [[/^fc\./, 'classifier']],
};
