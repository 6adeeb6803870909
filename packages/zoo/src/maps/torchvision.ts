/** torchvision's own ResNets, and files of other projects that keep its names at the root. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const torchvision: KeyMap = {
  id: 'torchvision',
  title: 'torchvision ResNet-18, -34, -50 and deeper',
  source: 'pytorch/vision torchvision/models/resnet.py',
  ...resnetNetwork,
  parts: { network: ['module.', 'state_dict.module.', 'state_dict.', 'model.', ''] },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
  leftOut: [[/^fc\./, 'classifier']],
};
