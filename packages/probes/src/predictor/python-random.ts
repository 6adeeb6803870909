/**
 * Python's `random.Random(seed)` as far as HEAR's tool uses it: the order of clips and the grid points it tries are this generator's.
 * MT19937 (Matsumoto and Nishimura, ACM TOMACS 8(1), 1998) seeded by array, and CPython's `shuffle`.
 */

const size = 624;
const middle = 397;

export interface PythonRandom {
  /** The next k random bits, k in 1…32. */
  getrandbits(k: number): number;
  /** Shuffles in place, as `random.shuffle`. */
  shuffle(values: unknown[]): void;
}

/** @param seed in 0…2³² − 1 */
export function pythonRandom(seed: number): PythonRandom {
  const state = seededByArray([seed >>> 0]);
  let at = size;
  const next = (): number => {
    if (at === size) {
      twist(state);
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  const getrandbits = (k: number): number => next() >>> (32 - k);
  /** Uniform in 0…n − 1 by rejection. */
  const below = (n: number): number => {
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const value = getrandbits(bits);
      if (value < n) return value;
    }
  };
  return {
    getrandbits,
    shuffle(values) {
      for (let i = values.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [values[i], values[j]] = [values[j], values[i]];
      }
    },
  };
}

function seededByArray(key: readonly number[]): Uint32Array {
  const state = new Uint32Array(size);
  state[0] = 19650218;
  const mixed = (i: number): number => state[i]! ^ (state[i]! >>> 30);
  for (let i = 1; i < size; i++) state[i] = Math.imul(1812433253, mixed(i - 1)) + i;
  let [i, j] = [1, 0];
  const advance = (): void => {
    if (++i < size) return;
    state[0] = state[size - 1]!;
    i = 1;
  };
  for (let k = Math.max(size, key.length); k > 0; k--) {
    state[i] = (state[i]! ^ Math.imul(mixed(i - 1), 1664525)) + key[j]! + j;
    advance();
    j = (j + 1) % key.length;
  }
  for (let k = size - 1; k > 0; k--) {
    state[i] = (state[i]! ^ Math.imul(mixed(i - 1), 1566083941)) - i;
    advance();
  }
  state[0] = 0x80000000;
  return state;
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const y = (state[i]! & 0x80000000) | (state[(i + 1) % size]! & 0x7fffffff);
    state[i] = state[(i + middle) % size]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
