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
import { realFft } from './fft.ts';
import { framePlan, type FrameOptions } from './frames.ts';
import { melAnalyzer, type MelOptions } from './log-mel.ts';
import { applyMelBank } from './mel.ts';

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
  const plan = framePlan(plain);
  const fft = realFft(nFft);
  const { nMels } = first.bank;
  const spectrum = new Float64Array(2 * fft.bins);
  const [real, imaginary] = [new Float64Array(fft.bins), new Float64Array(fft.bins)];
  const [re, im] = [new Float64Array(nMels), new Float64Array(nMels)];
  return {
    framesOf: (samples) => first.framesOf(samples),
    apply(audio) {
      const frames = first.framesOf(audio.length);
      const size = nMels * frames;
      const data = new Float32Array(3 * size);
      first.apply(audio, data.subarray(0, size));
      for (let t = 0; t < frames; t++) {
        plan.read(audio, t, fft.input);
        fft.spectrum(spectrum);
        for (let k = 0; k < fft.bins; k++) {
          real[k] = spectrum[2 * k]!;
          imaginary[k] = spectrum[2 * k + 1]!;
        }
        applyMelBank(first.bank, real, re);
        applyMelBank(first.bank, imaginary, im);
        for (let m = 0; m < nMels; m++) {
          data[size + m * frames + t] = 10 * Math.log10(Math.hypot(re[m]!, im[m]!) + offset);
          data[2 * size + m * frames + t] = Math.atan2(im[m]!, re[m]!);
        }
      }
      return { data, shape: [3 * nMels, frames] };
    },
  };
}
