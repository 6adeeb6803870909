/** Golden targets of this package: BYOL-A's augmentations with fixed draws, and its running normalisation. */
import { DataError, type GoldenFile, type GoldenTargets, type GoldenTools, type NdArray } from '@unlabel/core';
import { runningNorm } from '@unlabel/audio';
import { logMixupExp } from './audio/mixup.ts';
import { resizeCrop } from './audio/random-resize-crop.ts';

/** [1, F, T] → [F, T]. */
const matrix = (x: NdArray): NdArray => ({ data: x.data, shape: x.shape.slice(-2) });

interface Config {
  readonly inputs: readonly NdArray[];
  readonly canvas: readonly [number, number];
  readonly norm: readonly NdArray[];
}

interface RawCase {
  readonly name?: string;
  readonly config?: { readonly epoch_samples?: number; readonly max_update_epochs?: number };
  readonly input?:
    string | readonly { readonly key: string; readonly shape: readonly number[]; readonly scale?: number }[];
}

/** `sequence s=0..7: tensor("input:rn<s>",[1,8,10],1)*(s+1)+s in float32` → the sequence. */
function sequence(text: string, tools: GoldenTools): NdArray[] {
  const found = /s=0\.\.(\d+).*tensor\("([^"<]*)<s>",\s*\[([\d,\s]+)\],\s*([\d.]+)\)\*\(s\+1\)\+s/.exec(text);
  if (!found) throw new DataError(`golden: the sequence '${text}' is not known.`);
  const [, last = '', key = '', shape = '', scale = ''] = found;
  return Array.from({ length: Number(last) + 1 }, (_, s) => {
    const x = tools.tensor(`${key}${s}`, shape.split(',').map(Number), Number(scale));
    return { data: x.data.map((v) => Math.fround(Math.fround(v * (s + 1)) + s)), shape: x.shape };
  });
}

function readGolden(golden: GoldenFile, tools: GoldenTools): Config {
  const cases = (golden.cases ?? []) as readonly RawCase[]; // checked as it is read
  const inputs = cases.flatMap((one) => (one.input === undefined || typeof one.input === 'string' ? [] : one.input));
  const [, canvasF = '1', canvasT = '1.5'] = /canvas \(F\*([\d.]+), T\*([\d.]+)\)/.exec(String(golden['notes'])) ?? [];
  const norm = cases.find((one) => one.name === 'runningnorm');
  const tracker = runningNorm({
    epochSamples: norm?.config?.epoch_samples ?? 1,
    maxUpdateEpochs: norm?.config?.max_update_epochs ?? 10,
  });
  return {
    inputs: inputs.map((input) => tools.tensor(input.key, input.shape, input.scale)),
    canvas: [Number(canvasF), Number(canvasT)],
    norm: typeof norm?.input === 'string' ? sequence(norm.input, tools).map((x) => tracker.apply(x)) : [],
  };
}

export const goldens: GoldenTargets = {
  'byola-aug*': {
    run(golden, tools) {
      const { inputs, canvas, norm } = readGolden(golden, tools);
      const outputs: Record<string, NdArray> = {};
      const [a, b] = inputs;
      for (const { name } of golden.outputs as readonly { readonly name: string }[]) {
        const [kind, ...numbers] = name.split('_');
        const [i = 0, j = 0, h = 0, w = 0] = numbers.map(Number);
        if (kind === 'runningnorm' && norm[i]) outputs[name] = norm[i];
        if (kind === 'mixup' && a && b) {
          outputs[name] = { data: logMixupExp(matrix(a), matrix(b), i).data, shape: a.shape };
        }
        if (kind === 'rrc' && a) {
          outputs[name] = { data: resizeCrop(matrix(a), { i, j, h, w }, canvas).data, shape: a.shape };
        }
      }
      return outputs;
    },
  },
};
