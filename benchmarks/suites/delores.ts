/** DeLoRes-S: one training step and one embedding of a batch, at the paper's sizes. */
import type { Suite } from '../lib/measure.ts';
import { ours, peer } from './sides.ts';

const batch = 64;
const sizes = `batch ${batch}, 0.95 s (64 bands × 96 frames), width 2048, float32`;
const args = ['--batch', String(batch)];

export const deloresStep: Suite = {
  name: 'delores-step',
  description: `DeLoRes-S training step: two views, three-layer projector, Barlow term, gradients, SGD; ${sizes}.`,
  works: ['step'],
  amounts: { step: { amount: batch, unit: 'clips' } },
  repetitions: 10,
  contenders: async ({ engine, python }) => [
    ours('delores.ts', engine, args),
    ...peer('PyTorch', 'delores_step.py', python, args),
  ],
};

export const deloresEmbed: Suite = {
  ...deloresStep,
  name: 'delores-embed',
  description: `DeLoRes-S embedding of log-mel clips, evaluation mode; ${sizes}.`,
  works: ['embed'],
  amounts: { embed: { amount: batch, unit: 'clips' } },
  repetitions: 20,
};

export const wasmRatio: Suite = {
  ...deloresStep,
  name: 'wasm-ratio',
  description: `The embedded engine beside the native one: DeLoRes-S step and embedding; ${sizes}.`,
  works: ['step', 'embed'],
  amounts: { ...deloresStep.amounts, ...deloresEmbed.amounts },
  repetitions: 6,
  contenders: async () => [ours('delores.ts', 'wasm', args), ours('delores.ts', 'tensorflow', args)],
};
