/**
 * Faster or slower at the same pitch: the phase vocoder on a short-time spectrum.
 *
 * Flanagan, Golden, "Phase Vocoder", Bell System Technical Journal 45, 1966; arithmetic of torchaudio.functional.phase_vocoder. That
 * adds up angles: of a bin's own advance and of what is left of the difference between two frames, brought to −π … π. Modulo 2π their
 * sum is the difference itself, so here a unit complex number is turned by one frame's direction over the other's, without sines.
 *
 * Legend: K bins, T frames, N samples.
 */
import { framePairs, framePlan, synthesis, type FramePairs, type FramePlan } from '@unlabel/audio';
import { ConfigError, type Rng } from '@unlabel/core';

export interface StretchOptions {
  /** Default 2048. */
  readonly nFft?: number;
  /** Default nFft/4. */
  readonly hopLength?: number;
}

/** The spectra of two frames side by side (`FramePairs`) as sizes and directions re, im [2·K], which are 1 where there is nothing. */
interface Polar {
  pair: number;
  readonly size: Float64Array;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

function toPolar({ size, re, im }: Polar): void {
  for (let i = 0; i < size.length; i++) {
    const x = re[i]!;
    const y = im[i]!;
    const length = Math.sqrt(x * x + y * y);
    size[i] = length;
    re[i] = length > 0 ? x / length : 1;
    im[i] = length > 0 ? y / length : 0;
  }
}

/** A complex number for each bin. */
interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}
const complexes = (n: number): Complex => ({ re: new Float64Array(n), im: new Float64Array(n) });

/** turn ← b/a of the directions of two frames; `lanes`: which of their pairs they are. */
function turnBetween(a: Polar, b: Polar, lanes: readonly [number, number], { re, im }: Complex): void {
  const { re: ar, im: ai } = a;
  const { re: br, im: bi } = b;
  for (let k = 0, i = lanes[0], j = lanes[1]; k < re.length; k++, i += 2, j += 2) {
    re[k] = ar[i]! * br[j]! + ai[i]! * bi[j]!;
    im[k] = ar[i]! * bi[j]! - ai[i]! * br[j]!;
  }
}

/** A size between a's and b's in the direction of `phase` into lane `to` of `out`; then `phase` turns. */
function blend(a: Polar, b: Polar, lanes: readonly [number, number], share: number, phase: Complex, turn: Complex, out: Complex, to: number): void {
  const { size: from } = a;
  const { size: towards } = b;
  const { re: pr, im: pi } = phase;
  const { re: tr, im: ti } = turn;
  const { re: or, im: oi } = out;
  for (let k = 0, i = lanes[0], j = lanes[1], o = to; k < pr.length; k++, i += 2, j += 2, o += 2) {
    const size = share * towards[j]! + (1 - share) * from[i]!;
    const re = pr[k]!;
    const im = pi[k]!;
    const x = tr[k]!;
    const y = ti[k]!;
    or[o] = size * re;
    oi[o] = size * im;
    pr[k] = re * x - im * y;
    pi[k] = re * y + im * x;
  }
} // prettier-ignore

/** Frames and buffers of one kind of stretch, kept, since a clip's would cost more to make than to fill; not re-entrant. */
interface Vocoder {
  readonly plan: FramePlan;
  readonly pairs: FramePairs;
  readonly held: readonly [Polar, Polar];
  readonly phase: Complex;
  readonly turn: Complex;
  readonly spectra: Complex;
  /** Where the output is added up, as long as the longest so far. */
  sum: Float64Array;
}
const vocoders = new Map<string, Vocoder>();

function vocoderOf(nFft: number, hopLength: number): Vocoder {
  const key = `${nFft}:${hopLength}`;
  const found = vocoders.get(key);
  if (found) return found;
  const plan = framePlan({ nFft, hopLength });
  const pairs = framePairs(plan);
  const { bins } = pairs;
  const polar = (): Polar => ({ pair: -1, size: new Float64Array(2 * bins), ...complexes(2 * bins) });
  const made: Vocoder = {
    plan,
    pairs,
    held: [polar(), polar()],
    phase: complexes(bins),
    turn: complexes(bins),
    spectra: complexes(2 * bins),
    sum: new Float64Array(0),
  };
  vocoders.set(key, made);
  return made;
}

/**
 * audio [N] → [round(N/rate)], as long as it lasts at `rate` times the tempo.
 * @throws ConfigError for a rate that is no number above 0
 */
export function stretch(audio: Float32Array, rate: number, options: StretchOptions = {}): Float32Array {
  const { nFft = 2048, hopLength = nFft / 4 } = options;
  if (!(rate > 0 && Number.isFinite(rate))) throw new ConfigError(`stretch: rate ${rate}; expected a number above 0`);
  const vocoder = vocoderOf(nFft, hopLength);
  const { plan, pairs, held, phase, turn, spectra } = vocoder;
  const steps = Math.ceil(plan.framesOf(audio.length) / rate);
  const total = nFft + hopLength * (steps - 1);
  if (vocoder.sum.length < total) vocoder.sum = new Float64Array(total);
  for (const polar of held) polar.pair = -1;
  const polarOf = (frame: number): Polar => {
    const pair = frame >> 1;
    const polar = held[pair % 2]!;
    if (polar.pair !== pair) {
      pairs.spectra(audio, 2 * pair, polar.re, polar.im); // behind the last frame is silence
      toPolar(polar);
      polar.pair = pair;
    }
    return polar;
  };
  const out = synthesis({ nFft, hopLength }, steps, vocoder.sum);
  const first = polarOf(0);
  for (let k = 0; k < pairs.bins; k++) {
    phase.re[k] = first.re[2 * k]!;
    phase.im[k] = first.im[2 * k]!;
  }
  let turned = -1;
  for (let s = 0; s < steps; s++) {
    const t = Math.floor(s * rate);
    const lanes = [t % 2, (t + 1) % 2] as const;
    const [a, b] = [polarOf(t), polarOf(t + 1)];
    if (turned !== t) turnBetween(a, b, lanes, turn);
    turned = t;
    blend(a, b, lanes, s * rate - t, phase, turn, spectra, s % 2);
    if (s % 2 === 1 || s === steps - 1) out.add(spectra.re, spectra.im);
  }
  return out.audio(Math.round(audio.length / rate));
}

export interface TimeStretchOptions extends StretchOptions {
  /** Range of the rate, rounded to hundredths. Default 0.5 … 1.5, MT-SLVR's. */
  readonly rates?: readonly [number, number];
}

/** audio [N] → [N] at another tempo: repeated from the start when it has become shorter, cut when longer. */
export function timeStretch(audio: Float32Array, rng: Rng, options: TimeStretchOptions = {}): Float32Array {
  const { rates = [0.5, 1.5] } = options;
  const rate = Math.round(100 * rng.range(rates[0], rates[1])) / 100;
  const stretched = stretch(audio, rate, options);
  if (stretched.length >= audio.length) return stretched.slice(0, audio.length);
  const out = new Float32Array(audio.length);
  for (let at = 0; at < out.length; at += stretched.length) {
    out.set(stretched.subarray(0, Math.min(stretched.length, out.length - at)), at);
  }
  return out;
}
