/** VICReg (facebookresearch/vicreg): `resnet50.pth` is the flat backbone, `model.pth` a run with `module.backbone.`. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const vicreg: KeyMap = {
  id: 'vicreg',
  title: 'VICReg',
  source: 'facebookresearch/vicreg main_vicreg.py',
  ...resnetNetwork,
  parts: { network: ['model.module.backbone.', 'module.backbone.', 'backbone.', ''] },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
  leftOut: [[/^fc\./, 'classifier']],
};
