/**
 * Butterflies of a mixed-radix Stockham transform (decimation in frequency, natural order in and out, two buffers).
 * Complex numbers are interleaved (re, im). One pass of radix r over n = r·m points at stride s maps
 * x[q + s(p + j·m)] to y[q + s(r·p + k)] = w^(k·p) Σ_j x[…] e^(−2πi·jk/r), with w = e^(−2πi/n).
 */

export type PassKernel = (x: Float64Array, y: Float64Array, m: number, s: number, twiddles: Float64Array) => void;

/** w^(k·p) for p in 0…m−1 and k in 1…r−1, interleaved, for one pass over n = r·m points. */
export function passTwiddles(radix: number, m: number): Float64Array {
  const table = new Float64Array(2 * m * (radix - 1));
  const n = radix * m;
  for (let p = 0, at = 0; p < m; p++) {
    for (let k = 1; k < radix; k++) {
      const angle = (-2 * Math.PI * ((k * p) % n)) / n;
      table[at++] = Math.cos(angle);
      table[at++] = Math.sin(angle);
    }
  }
  return table;
}

const pass2: PassKernel = (x, y, m, s, twiddles) => {
  const row = 2 * s;
  const half = m * row;
  for (let p = 0; p < m; p++) {
    const wr = twiddles[2 * p]!;
    const wi = twiddles[2 * p + 1]!;
    let i = p * row;
    let o = 2 * i;
    for (const end = i + row; i < end; i += 2, o += 2) {
      const ar = x[i]!;
      const ai = x[i + 1]!;
      const br = x[i + half]!;
      const bi = x[i + half + 1]!;
      y[o] = ar + br;
      y[o + 1] = ai + bi;
      const dr = ar - br;
      const di = ai - bi;
      y[o + row] = dr * wr - di * wi;
      y[o + row + 1] = dr * wi + di * wr;
    }
  }
};

const SQRT3_2 = Math.sqrt(3) / 2;

const pass3: PassKernel = (x, y, m, s, twiddles) => {
  const row = 2 * s;
  const third = m * row;
  for (let p = 0; p < m; p++) {
    const w1r = twiddles[4 * p]!;
    const w1i = twiddles[4 * p + 1]!;
    const w2r = twiddles[4 * p + 2]!;
    const w2i = twiddles[4 * p + 3]!;
    let i = p * row;
    let o = 3 * i;
    for (const end = i + row; i < end; i += 2, o += 2) {
      const ar = x[i]!;
      const ai = x[i + 1]!;
      const br = x[i + third]!;
      const bi = x[i + third + 1]!;
      const cr = x[i + 2 * third]!;
      const ci = x[i + 2 * third + 1]!;
      const sr = br + cr;
      const si = bi + ci;
      const dr = SQRT3_2 * (bi - ci); // −i·(√3/2)(b − c)
      const di = SQRT3_2 * (cr - br);
      y[o] = ar + sr;
      y[o + 1] = ai + si;
      const mr = ar - 0.5 * sr;
      const mi = ai - 0.5 * si;
      const pr = mr + dr;
      const pi = mi + di;
      const nr = mr - dr;
      const ni = mi - di;
      y[o + row] = pr * w1r - pi * w1i;
      y[o + row + 1] = pr * w1i + pi * w1r;
      y[o + 2 * row] = nr * w2r - ni * w2i;
      y[o + 2 * row + 1] = nr * w2i + ni * w2r;
    }
  }
};

const pass4: PassKernel = (x, y, m, s, twiddles) => {
  const row = 2 * s;
  const quarter = m * row;
  for (let p = 0; p < m; p++) {
    const w1r = twiddles[6 * p]!;
    const w1i = twiddles[6 * p + 1]!;
    const w2r = twiddles[6 * p + 2]!;
    const w2i = twiddles[6 * p + 3]!;
    const w3r = twiddles[6 * p + 4]!;
    const w3i = twiddles[6 * p + 5]!;
    let i = p * row;
    let o = 4 * i;
    for (const end = i + row; i < end; i += 2, o += 2) {
      const ar = x[i]!;
      const ai = x[i + 1]!;
      const br = x[i + quarter]!;
      const bi = x[i + quarter + 1]!;
      const cr = x[i + 2 * quarter]!;
      const ci = x[i + 2 * quarter + 1]!;
      const dr = x[i + 3 * quarter]!;
      const di = x[i + 3 * quarter + 1]!;
      const acr = ar + cr;
      const aci = ai + ci;
      const amr = ar - cr;
      const ami = ai - ci;
      const bdr = br + dr;
      const bdi = bi + di;
      const bmr = br - dr;
      const bmi = bi - di;
      y[o] = acr + bdr;
      y[o + 1] = aci + bdi;
      const t1r = amr + bmi; // (a − c) − i(b − d)
      const t1i = ami - bmr;
      y[o + row] = t1r * w1r - t1i * w1i;
      y[o + row + 1] = t1r * w1i + t1i * w1r;
      const t2r = acr - bdr;
      const t2i = aci - bdi;
      y[o + 2 * row] = t2r * w2r - t2i * w2i;
      y[o + 2 * row + 1] = t2r * w2i + t2i * w2r;
      const t3r = amr - bmi;
      const t3i = ami + bmr;
      y[o + 3 * row] = t3r * w3r - t3i * w3i;
      y[o + 3 * row + 1] = t3r * w3i + t3i * w3r;
    }
  }
};

/** A pass of any radix r by its r×r matrix; meant for small primes (5, 7, 11, 13, …). */
function passOf(radix: number): PassKernel {
  const cos = new Float64Array(radix);
  const sin = new Float64Array(radix);
  for (let j = 0; j < radix; j++) {
    cos[j] = Math.cos((2 * Math.PI * j) / radix);
    sin[j] = -Math.sin((2 * Math.PI * j) / radix);
  }
  return (x, y, m, s, twiddles) => {
    const row = 2 * s;
    const part = m * row;
    for (let p = 0; p < m; p++) {
      let i = p * row;
      let o = radix * i;
      for (const end = i + row; i < end; i += 2, o += 2) {
        for (let k = 0; k < radix; k++) {
          let re = 0;
          let im = 0;
          for (let j = 0, turn = 0, at = i; j < radix; j++, at += part) {
            const c = cos[turn]!;
            const d = sin[turn]!;
            re += x[at]! * c - x[at + 1]! * d;
            im += x[at]! * d + x[at + 1]! * c;
            turn += k;
            if (turn >= radix) turn -= radix;
          }
          if (k > 0) {
            const at = 2 * (p * (radix - 1) + k - 1);
            const wr = twiddles[at]!;
            const wi = twiddles[at + 1]!;
            y[o + k * row] = re * wr - im * wi;
            y[o + k * row + 1] = re * wi + im * wr;
          } else {
            y[o] = re;
            y[o + 1] = im;
          }
        }
      }
    }
  };
}

const kernels = new Map<number, PassKernel>([
  [2, pass2],
  [3, pass3],
  [4, pass4],
]);

/** The butterfly of a radix. */
export function passKernel(radix: number): PassKernel {
  let kernel = kernels.get(radix);
  if (kernel === undefined) {
    kernel = passOf(radix);
    kernels.set(radix, kernel);
  }
  return kernel;
}
