/** Encoders of BEATs-base and ATST-Clip small: training steps and embedding beside PyTorch. */
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const contenders =
  (args: readonly string[]): Suite['contenders'] =>
  async ({ engine, python }) => [
    ours('transformer.ts', engine, args),
    ...peer('PyTorch', 'transformer_step.py', python, args),
  ];

export const beatsStep: Suite = {
  name: 'beats-step',
  description:
    'BEATs-base encoder, training step: 16 rows of 124 visible tokens, 12 layers of 768 with DeepNorm and gated position bias, no ' +
    'dropout, gradients, AdamW; float32.',
  works: ['step'],
  amounts: { step: { amount: 16, unit: 'clips' } },
  repetitions: 6,
  contenders: contenders(['--model', 'beats']),
};

export const beatsStepDropout: Suite = {
  ...beatsStep,
  name: 'beats-step-dropout',
  description: beatsStep.description.replace('no dropout', 'dropout 0.1 as pre-trained'),
  contenders: contenders(['--model', 'beats', '--dropout', '0.1']),
};

export const beatsEmbed: Suite = {
  ...beatsStep,
  name: 'beats-embed',
  description:
    'BEATs-base, embedding of 8 clips of 10 s (998 frames × 128 bands, 496 tokens), evaluation mode; float32. `front-end`: what comes before, ' +
    'the Kaldi bands of the 8 waveforms, on one thread here and all of torch’s there.',
  works: ['embed', 'front-end'],
  amounts: { embed: { amount: 8, unit: 'clips' }, 'front-end': { amount: 8, unit: 'clips' } },
  repetitions: 6,
};

export const atstStep: Suite = {
  ...beatsStep,
  name: 'atst-step',
  description:
    'ATST-Clip small, training step: student and teacher on two views of 16 clips of 6 s (151 tokens), 12 layers of 384, projector, ' +
    'predictor, gradients, AdamW, moving average; float32.',
  contenders: contenders(['--model', 'atst']),
};
