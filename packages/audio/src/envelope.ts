/** The envelope of a signal: the magnitude of its analytic signal, as `abs(scipy.signal.hilbert(x))`. */
import { complexFft } from './fft.ts';

/** audio [N] → envelope [N]. */
export function envelope(audio: Float32Array): Float32Array {
  const n = audio.length;
  if (n === 0) return new Float32Array(0);
  const fft = complexFft(n);
  fft.input.fill(0);
  for (let i = 0; i < n; i++) fft.input[2 * i] = audio[i]!;
  const spectrum = fft.run().slice(0, 2 * n);
  // negative frequencies go, positive ones double; the inverse is the conjugate of the transform of the conjugate
  for (let k = 0; k < n; k++) {
    const isReal = k === 0 || 2 * k === n;
    const gain = isReal ? 1 : 2 * k < n ? 2 : 0;
    fft.input[2 * k] = gain * spectrum[2 * k]!;
    fft.input[2 * k + 1] = -gain * spectrum[2 * k + 1]!;
  }
  const analytic = fft.run();
  return Float32Array.from({ length: n }, (_, i) => Math.hypot(analytic[2 * i]!, analytic[2 * i + 1]!) / n);
}
