/** MoCo v1 and v2 (facebookresearch/moco; moco-densecl.md §5): `.pth.tar` with query and key encoders and the queue. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const moco: KeyMap = {
  id: 'moco',
  title: 'MoCo v1 and v2',
  source: 'facebookresearch/moco main_moco.py',
  ...resnetNetwork,
  parts: {
    query: ['state_dict.module.encoder_q.', 'module.encoder_q.', 'state_dict.encoder_q.', 'encoder_q.'],
    key: ['state_dict.module.encoder_k.', 'module.encoder_k.', 'state_dict.encoder_k.', 'encoder_k.'],
  },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
  leftOut: [[/^fc\./, 'projection head']],
};
