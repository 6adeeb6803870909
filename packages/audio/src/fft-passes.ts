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

const COS1 = Math.cos((2 * Math.PI) / 5);
const COS2 = Math.cos((4 * Math.PI) / 5);
const SIN1 = Math.sin((2 * Math.PI) / 5);
const SIN2 = Math.sin((4 * Math.PI) / 5);

const pass5: PassKernel = (x, y, m, s, twiddles) => {
  const row = 2 * s;
  const fifth = m * row;
  for (let p = 0; p < m; p++) {
    const at = 8 * p;
    let i = p * row;
    let o = 5 * i;
    for (const end = i + row; i < end; i += 2, o += 2) {
      const ar = x[i]!;
      const ai = x[i + 1]!;
      const br = x[i + fifth]!;
      const bi = x[i + fifth + 1]!;
      const cr = x[i + 2 * fifth]!;
      const ci = x[i + 2 * fifth + 1]!;
      const dr = x[i + 3 * fifth]!;
      const di = x[i + 3 * fifth + 1]!;
      const er = x[i + 4 * fifth]!;
      const ei = x[i + 4 * fifth + 1]!;
      const sumBEr = br + er;
      const sumBEi = bi + ei;
      const sumCDr = cr + dr;
      const sumCDi = ci + di;
      const offBEr = br - er;
      const offBEi = bi - ei;
      const offCDr = cr - dr;
      const offCDi = ci - di;
      y[o] = ar + sumBEr + sumCDr;
      y[o + 1] = ai + sumBEi + sumCDi;
      // outputs 1 and 4, 2 and 3: what is even in the sign of k, and what is odd, turned by −i
      const even1r = ar + COS1 * sumBEr + COS2 * sumCDr;
      const even1i = ai + COS1 * sumBEi + COS2 * sumCDi;
      const odd1r = SIN1 * offBEi + SIN2 * offCDi;
      const odd1i = -(SIN1 * offBEr + SIN2 * offCDr);
      const even2r = ar + COS2 * sumBEr + COS1 * sumCDr;
      const even2i = ai + COS2 * sumBEi + COS1 * sumCDi;
      const odd2r = SIN2 * offBEi - SIN1 * offCDi;
      const odd2i = -(SIN2 * offBEr - SIN1 * offCDr);
      const y1r = even1r + odd1r;
      const y1i = even1i + odd1i;
      y[o + row] = y1r * twiddles[at]! - y1i * twiddles[at + 1]!;
      y[o + row + 1] = y1r * twiddles[at + 1]! + y1i * twiddles[at]!;
      const y2r = even2r + odd2r;
      const y2i = even2i + odd2i;
      y[o + 2 * row] = y2r * twiddles[at + 2]! - y2i * twiddles[at + 3]!;
      y[o + 2 * row + 1] = y2r * twiddles[at + 3]! + y2i * twiddles[at + 2]!;
      const y3r = even2r - odd2r;
      const y3i = even2i - odd2i;
      y[o + 3 * row] = y3r * twiddles[at + 4]! - y3i * twiddles[at + 5]!;
      y[o + 3 * row + 1] = y3r * twiddles[at + 5]! + y3i * twiddles[at + 4]!;
      const y4r = even1r - odd1r;
      const y4i = even1i - odd1i;
      y[o + 4 * row] = y4r * twiddles[at + 6]! - y4i * twiddles[at + 7]!;
      y[o + 4 * row + 1] = y4r * twiddles[at + 7]! + y4i * twiddles[at + 6]!;
    }
  }
};

/** A pass of any radix r by its r×r matrix; meant for small primes (7, 11, 13, …). */
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
  [5, pass5],
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
