/** Encoders of BEATs-base and ATST-Clip small: training steps and embedding beside PyTorch, in float32 and in bfloat16. */
import { checkBfloat16, findNative } from '@unlabel/engine/native';
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const bfloat16 = ['--precision', 'bf16'];

/** Whether our engine would take `--precision bf16` here. */
function hasBfloat16(engine: string): boolean {
  try {
    const device = engine === 'wasm' ? undefined : findNative()?.device;
    checkBfloat16(device ? `tensorflow-${device}` : 'wasm');
    return true;
  } catch {
    return false;
  }
}

/** Both in float32; with `bf16` both in bfloat16 too (PyTorch's autocast), where the CPU has it. */
const contenders =
  (args: readonly string[], { bf16 = false } = {}): Suite['contenders'] =>
  async ({ engine, python }) => {
    const inFloat32 = [ours('transformer.ts', engine, args), ...peer('PyTorch', 'transformer_step.py', python, args)];
    if (!bf16 || !hasBfloat16(engine)) return inFloat32;
    const all = [...args, ...bfloat16];
    return [
      ...inFloat32,
      ours('transformer.ts', engine, all, 'bf16'),
      ...peer('PyTorch (bf16)', 'transformer_step.py', python, all),
    ];
  };

export const beatsStep: Suite = {
  name: 'beats-step',
  description:
    'BEATs-base encoder, training step: 16 rows of 124 visible tokens, 12 layers of 768 with DeepNorm and gated position bias, no ' +
    'dropout, gradients, AdamW; float32, and bfloat16 products where the CPU has them.',
  works: ['step'],
  amounts: { step: { amount: 16, unit: 'clips' } },
  repetitions: 6,
  contenders: contenders(['--model', 'beats'], { bf16: true }),
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
    'BEATs-base, embedding of 8 clips of 10 s (998 frames × 128 bands, 496 tokens), evaluation mode; float32, and bfloat16 products where the CPU has them. `front-end`: what comes before, ' +
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
    'predictor, gradients, AdamW, moving average; float32, and bfloat16 products where the CPU has them.',
  contenders: contenders(['--model', 'atst'], { bf16: true }),
};
