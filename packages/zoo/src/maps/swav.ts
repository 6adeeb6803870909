/** SwAV (facebookresearch/swav): a flat dict `module.<torchvision>` with projection head and prototypes; VISSL's nests its trunk. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const swav: KeyMap = {
  id: 'swav',
  title: 'SwAV, and VISSL trunks',
  source: 'facebookresearch/swav src/resnet50.py; facebookresearch/vissl',
  ...resnetNetwork,
  parts: {
    network: [
      'classy_state_dict.base_model.model.trunk._feature_blocks.',
      'state_dict.module.',
      'module.',
      'state_dict.',
      '',
    ],
  },
  signature: [
    /^conv1\.weight$/,
    /^layer1\.0\.conv1\.weight$/,
    /^(projection_head|prototypes)\.|^layer4\.2\.bn3\.weight$/,
  ],
  leftOut: [
    [/^projection_head\./, 'projection head'],
    [/^prototypes\./, 'prototypes'],
    [/^fc\./, 'classifier'],
  ],
};
