/**
 * MT-SLVR's three channels, one above the other: log-mel power, log amplitude and phase of a mel-projected spectrum.
 *
 * CHeggan/MT-SLVR Dataset_/dataset_utils.py@13b49c20. The second and third project the real and the imaginary part of a spectrum through
 * the bank, so that bins cancel, and use no window (torch.stft's default); both are easily "mended" and then published weights lose
 * accuracy. All logarithms are 10·log10(x + 2.22e-16), though the amplitude is no power. Silence gives −156.5 in both, and where the
 * amplitude is nearly nothing the phase is rounding.
 *
 * Legend: M mel bands, T frames.
 */
import type { NdArray } from '@unlabel/core';
import { framePlan, type FrameOptions } from './frames.ts';
import { melAnalyzer, type MelOptions } from './log-mel.ts';
import type { MelBank } from './mel.ts';
import { framePairs } from './pair-frames.ts';

export interface MelPhaseAnalyzer {
  framesOf(samples: number): number;
  /** audio [N] → [3·M, T] */
  apply(audio: Float32Array): NdArray;
}

/** `offset` is added inside the logarithms. Window and power of `options` are those of the first channel. */
export function melPhaseAnalyzer(options: MelOptions, offset: number): MelPhaseAnalyzer {
  const first = melAnalyzer(options, { kind: 'db-offset', offset });
  const { nFft, winLength: _, ...rest } = options;
  const plain: FrameOptions = { ...rest, nFft, window: 'rect' };
  const pairs = framePairs(framePlan(plain));
  const { bank } = first;
  const { nMels } = bank;
  const [real, imaginary] = [new Float64Array(2 * pairs.bins), new Float64Array(2 * pairs.bins)];
  const [re, im] = [new Float64Array(2 * nMels), new Float64Array(2 * nMels)];
  return {
    framesOf: (samples) => first.framesOf(samples),
    apply(audio) {
      const frames = first.framesOf(audio.length);
      const size = nMels * frames;
      const data = new Float32Array(3 * size);
      first.apply(audio, data.subarray(0, size));
      for (let t = 0; t < frames; t += 2) {
        pairs.spectra(audio, t, real, imaginary);
        applyMelBankPair(bank, real, re);
        applyMelBankPair(bank, imaginary, im);
        for (let lane = 0; lane < 2 && t + lane < frames; lane++) {
          for (let m = 0, at = size + t + lane; m < nMels; m++, at += frames) {
            const x = re[2 * m + lane]!;
            const y = im[2 * m + lane]!;
            data[at] = 10 * Math.log10(Math.sqrt(x * x + y * y) + offset);
            data[at + size] = Math.atan2(y, x);
          }
        }
      }
      return { data, shape: [3 * nMels, frames] };
    },
  };
}

/** Two spectra side by side [2·bins] → out [2·nMels]. */
function applyMelBankPair(
  { nMels, starts, offsets, weights }: MelBank,
  spectra: Float64Array,
  out: Float64Array,
): void {
  for (let m = 0; m < nMels; m++) {
    const end = offsets[m + 1]!;
    let a = 0;
    let b = 0;
    for (let i = offsets[m]!, k = 2 * starts[m]!; i < end; i++, k += 2) {
      a += weights[i]! * spectra[k]!;
      b += weights[i]! * spectra[k + 1]!;
    }
    out[2 * m] = a;
    out[2 * m + 1] = b;
  }
}
