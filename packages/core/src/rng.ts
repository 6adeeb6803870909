/**
 * The project's only source of randomness: a counter-based generator that forks by label, so that what one consumer draws
 * never shifts what another sees, and a stream can be continued from its 128-bit state.
 *
 * xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018), seeded from FNV-1a and
 * MurmurHash3's finaliser over `seed` and the path of labels.
 */

/** 32-bit FNV-1a of a string's UTF-8 bytes. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** MurmurHash3's 32-bit finaliser: a bijection with full avalanche. */
export function fmix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

export type RngState = readonly [number, number, number, number];

export interface Rng {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform in [low, high). */
  range(low: number, high: number): number;
  /** Uniform integer in [0, n); n in 1…2³². */
  int(n: number): number;
  /** Standard normal (Box–Muller, both halves used). */
  normal(): number;
  /** True with probability p. */
  chance(p: number): boolean;
  /** A permutation of 0…n−1 (Fisher–Yates). */
  permutation(n: number): Uint32Array;
  /** An independent stream named by `label`; depends on the seed and the path of labels, not on what was drawn. */
  fork(label: string | number): Rng;
  /** The state to continue from. A pending second normal is dropped by taking it: `restore` starts at a fresh pair. */
  state(): RngState;
  restore(state: RngState): void;
}

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

class Xoshiro128 implements Rng {
  readonly #key: readonly [number, number];
  // 32-bit integers in fields of their own: twice as fast as in an array
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;
  #spare: number | undefined;

  constructor(key: readonly [number, number]) {
    this.#key = key;
    const word = (i: number): number => {
      const a = fmix32(key[0] + Math.imul(i, 0x9e3779b9));
      return fmix32(a ^ (key[1] + Math.imul(i, 0x85ebca77))) | 0;
    };
    this.#s0 = word(1);
    this.#s1 = word(2);
    this.#s2 = word(3);
    this.#s3 = word(4);
    if ((this.#s0 | this.#s1 | this.#s2 | this.#s3) === 0) this.#s0 = 1; // the all-zero state is the generator's one fixed point
  }

  #next(): number {
    const s0 = this.#s0;
    const s1 = this.#s1;
    const result = Math.imul(rotl(Math.imul(s1, 5), 7), 9) >>> 0;
    const n2 = this.#s2 ^ s0;
    const n3 = this.#s3 ^ s1;
    this.#s1 = s1 ^ n2;
    this.#s0 = s0 ^ n3;
    this.#s2 = n2 ^ (s1 << 9);
    this.#s3 = rotl(n3, 11);
    return result;
  }

  uniform(): number {
    const high = this.#next() >>> 5;
    const low = this.#next() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  range(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  int(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= 4294967296)) throw new RangeError(`rng.int(${n}): n must be 1…2^32`);
    const limit = 4294967296 - (4294967296 % n); // rejection keeps it unbiased
    for (;;) {
      const draw = this.#next();
      if (draw < limit) return draw % n;
    }
  }

  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  chance(p: number): boolean {
    return this.uniform() < p;
  }

  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const held = order[i]!;
      order[i] = order[j]!;
      order[j] = held;
    }
    return order;
  }

  fork(label: string | number): Rng {
    const hash = fnv1a32(String(label));
    return new Xoshiro128([fmix32(this.#key[0] ^ hash), fmix32(this.#key[1] + Math.imul(hash, 0x9e3779b9) + 1)]);
  }

  state(): RngState {
    this.#spare = undefined;
    return [this.#s0 >>> 0, this.#s1 >>> 0, this.#s2 >>> 0, this.#s3 >>> 0];
  }

  restore(state: RngState): void {
    this.#spare = undefined;
    this.#s0 = state[0] | 0;
    this.#s1 = state[1] | 0;
    this.#s2 = state[2] | 0;
    this.#s3 = state[3] | 0;
  }
}

/** A generator for `seed` (any safe integer ≥ 0) at the root of the tree of labels. */
export function createRng(seed: number): Rng {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed ${seed}: expected an integer ≥ 0`);
  const low = seed >>> 0;
  const high = Math.floor(seed / 4294967296) >>> 0;
  return new Xoshiro128([fmix32(low ^ 0x3c6ef372), fmix32(high ^ fmix32(low + 0x9e3779b9))]);
}
