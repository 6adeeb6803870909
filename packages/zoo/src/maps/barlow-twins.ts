/** Barlow Twins (facebookresearch/barlowtwins; barlow-twins.md §6): `checkpoint.pth` of a run, or the released `resnet50.pth`. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const barlowTwins: KeyMap = {
  id: 'barlow-twins',
  title: 'Barlow Twins',
  source: 'facebookresearch/barlowtwins main.py',
  ...resnetNetwork,
  parts: { network: ['model.module.backbone.', 'module.backbone.', 'model.backbone.', 'backbone.', ''] },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
  leftOut: [[/^fc\./, 'classifier']],
};
