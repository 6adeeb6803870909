/**
 * Discrete Fourier transforms of any length, in double precision: iterative radix 2 for powers of two (Cooley and Tukey 1965),
 * Bluestein's chirp convolution (1970) for the rest.
 */

interface Plan {
  readonly n: number;
  readonly cos: Float64Array;
  readonly sin: Float64Array;
  readonly reversed: Uint32Array;
}

const plans = new Map<number, Plan>();

function planOf(n: number): Plan {
  const known = plans.get(n);
  if (known) return known;
  const bits = Math.log2(n);
  const plan: Plan = {
    n,
    cos: Float64Array.from({ length: n / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / n)),
    sin: Float64Array.from({ length: n / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / n)),
    reversed: new Uint32Array(n),
  };
  for (let i = 1; i < n; i++) plan.reversed[i] = (plan.reversed[i >> 1]! >> 1) | ((i & 1) << (bits - 1));
  plans.set(n, plan);
  return plan;
}

/** Forward transform in place, n a power of two. */
function radix2(re: Float64Array, im: Float64Array, { n, cos, sin, reversed }: Plan): void {
  for (let i = 0; i < n; i++) {
    const j = reversed[i]!;
    if (j > i) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let half = 1; half < n; half *= 2) {
    const stride = n / (2 * half);
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [wr, wi] = [cos[k * stride]!, sin[k * stride]!];
        const [a, b] = [start + k, start + k + half];
        const tr = wr * re[b]! - wi * im[b]!;
        const ti = wr * im[b]! + wi * re[b]!;
        re[b] = re[a]! - tr;
        im[b] = im[a]! - ti;
        re[a]! += tr;
        im[a]! += ti;
      }
    }
  }
}

interface Chirp {
  readonly plan: Plan;
  readonly wr: Float64Array;
  readonly wi: Float64Array;
  readonly fr: Float64Array;
  readonly fi: Float64Array;
}

const chirps = new Map<number, Chirp>();

function chirpOf(n: number): Chirp {
  const known = chirps.get(n);
  if (known) return known;
  const size = 2 ** Math.ceil(Math.log2(2 * n - 1));
  const [wr, wi] = [new Float64Array(n), new Float64Array(n)];
  const [fr, fi] = [new Float64Array(size), new Float64Array(size)];
  for (let i = 0; i < n; i++) {
    const angle = (Math.PI * ((i * i) % (2 * n))) / n; // i² modulo the period keeps the angle exact
    wr[i] = Math.cos(angle);
    wi[i] = -Math.sin(angle);
    for (const at of [i, (size - i) % size]) {
      fr[at] = wr[i]!;
      fi[at] = -wi[i]!;
    }
  }
  const plan = planOf(size);
  radix2(fr, fi, plan);
  const chirp = { plan, wr, wi, fr, fi };
  chirps.set(n, chirp);
  return chirp;
}

/** Forward transform in place of any length: Σ x_j e^{−2πijk/n} = w_k Σ (x_j w_j) w̄_{k−j} with w_j = e^{−πij²/n}. */
function bluestein(re: Float64Array, im: Float64Array, n: number): void {
  const { plan, wr, wi, fr, fi } = chirpOf(n);
  const [ar, ai] = [new Float64Array(plan.n), new Float64Array(plan.n)];
  for (let i = 0; i < n; i++) {
    ar[i] = re[i]! * wr[i]! - im[i]! * wi[i]!;
    ai[i] = re[i]! * wi[i]! + im[i]! * wr[i]!;
  }
  radix2(ar, ai, plan);
  for (let i = 0; i < plan.n; i++) {
    const r = ar[i]! * fr[i]! - ai[i]! * fi[i]!;
    // The conjugate, so that the forward transform below inverts.
    ai[i] = -(ar[i]! * fi[i]! + ai[i]! * fr[i]!);
    ar[i] = r;
  }
  radix2(ar, ai, plan);
  for (let i = 0; i < n; i++) {
    const [r, m] = [ar[i]! / plan.n, -ai[i]! / plan.n];
    re[i] = r * wr[i]! - m * wi[i]!;
    im[i] = r * wi[i]! + m * wr[i]!;
  }
}

/**
 * Transform every row of length `n` in place; the inverse divides by n.
 * @param real [rows, n]
 * @param imag [rows, n]
 */
export function fourier(real: Float32Array, imag: Float32Array, n: number, isInverse: boolean): void {
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  const isPower = (n & (n - 1)) === 0;
  const scale = isInverse ? 1 / n : 1;
  const sign = isInverse ? -1 : 1; // the inverse is the conjugate of the transform of the conjugate
  for (let row = 0; row < real.length; row += n) {
    for (let i = 0; i < n; i++) {
      re[i] = real[row + i]!;
      im[i] = sign * imag[row + i]!;
    }
    if (isPower) radix2(re, im, planOf(n));
    else bluestein(re, im, n);
    for (let i = 0; i < n; i++) {
      real[row + i] = re[i]! * scale;
      imag[row + i] = sign * im[i]! * scale;
    }
  }
}
