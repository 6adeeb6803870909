/** SSL4EO-S12 (zhu-xlab/SSL4EO-S12; ssl4eo.md §5): MoCo, DINO and others on 12- or 13-channel satellite images. */
import type { KeyMap } from './key-map.ts';
import { resnetNetwork } from './resnet-shapes.ts';

export const ssl4eo: KeyMap = {
  id: 'ssl4eo',
  title: 'SSL4EO-S12, ResNets',
  source: 'zhu-xlab/SSL4EO-S12',
  ...resnetNetwork,
  input: { modality: 'image' }, // of 12 or 13 bands, which no image file here has
  parts: {
    query: [
      'state_dict.module.encoder_q.',
      'state_dict.module.base_encoder.',
      'teacher.backbone.',
      'state_dict.',
      'model_state.',
      '',
    ],
    key: ['state_dict.module.encoder_k.', 'state_dict.module.momentum_encoder.', 'student.module.backbone.'],
  },
  signature: [/^conv1\.weight$/, /^layer1\.0\.conv1\.weight$/],
  leftOut: [[/^fc\./, 'projection head']],
};
