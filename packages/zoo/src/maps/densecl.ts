/** DenseCL (WXinlong/DenseCL; moco-densecl.md): OpenSelfSup's encoder is a sequence of backbone and two heads. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const densecl: KeyMap = {
  id: 'densecl',
  title: 'DenseCL, full checkpoints and extracted backbones',
  source: 'WXinlong/DenseCL openselfsup/models/densecl.py',
  ...resnetNetwork,
  parts: {
    query: [
      'state_dict.encoder_q.0.',
      'state_dict.module.encoder_q.0.',
      'encoder_q.0.',
      'state_dict.backbone.',
      'backbone.',
    ],
    key: ['state_dict.encoder_k.0.', 'state_dict.module.encoder_k.0.', 'encoder_k.0.'],
  },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
};
