/**
 * Spectra and band sums of two real frames at once, for lengths that are powers of two from 8 to 2¹⁶. See `kernels.ts`.
 */
import { passTwiddles } from '../fft-passes.ts';
import type { MelBank } from '../mel.ts';
import { wasmMemory, type WasmMemory } from './memory.ts';

/** Whether these kernels transform frames of that length. */
export const hasPairSpectrum = (nFft: number): boolean => nFft >= 8 && nFft <= 65536 && (nFft & (nFft - 1)) === 0;

export interface PairSpectrum {
  readonly nFft: number;
  /** Address where a frame pair goes: sample i of both frames as doubles, 16 bytes each, halved (see `powerPair`). */
  readonly input: number;
  /**
   * Transforms `input` as nFft/2 complex points of both frames, 32 bytes each: re, re, im, im. The result is at the address returned, until
   * the next call.
   */
  transform(): number;
  /**
   * Transforms `input`; the result, |X|² of bins 0 … nFft/2, 16 bytes each, is at the address returned. `isInOrder`: the same bytes as
   * `RealFft.power`.
   */
  power(options?: { readonly isInOrder?: boolean }): number;
}

const spectra = new Map<number, PairSpectrum>();

interface Pass {
  readonly radix: 4 | 2;
  readonly m: number;
  readonly s: number;
  readonly twiddles: number;
}

function table(memory: WasmMemory, values: Float64Array): number {
  const address = memory.allocate(8 * values.length);
  memory.f64.set(values, address / 8);
  return address;
}

/** The plan of a length, cached: its buffers are shared by all who use it, one pair at a time. */
export function pairSpectrum(nFft: number): PairSpectrum {
  const held = spectra.get(nFft);
  if (held) return held;
  const memory = wasmMemory();
  const { kernels } = memory;
  const half = nFft / 2;
  const input = memory.allocate(32 * half);
  const other = memory.allocate(32 * half);
  const output = memory.allocate(16 * (half + 1));
  const twiddles = table(memory, passTwiddles(2, half));
  const passes: Pass[] = [];
  for (let n = half, s = 1; n > 1;) {
    const radix = n % 4 === 0 ? 4 : 2;
    n /= radix;
    passes.push({ radix, m: n, s, twiddles: radix === 4 ? table(memory, passTwiddles(4, n)) : 0 });
    s *= radix;
  }
  const plan: PairSpectrum = {
    nFft,
    input,
    transform() {
      let x = input;
      let y = other;
      for (const pass of passes) {
        if (pass.radix === 4) kernels.pass4(x, y, pass.m, pass.s, pass.twiddles);
        else kernels.lastPass2(x, y, pass.s);
        const from = x;
        x = y;
        y = from;
      }
      return x;
    },
    power({ isInOrder = false } = {}) {
      const z = plan.transform();
      if (isInOrder) kernels.powerPairInOrder(z, twiddles, half, output);
      else kernels.powerPair(z, twiddles, half, output);
      return output;
    },
  };
  spectra.set(nFft, plan);
  return plan;
}

const halved = new WeakMap<Float64Array, number>();

/** Address of half the window, as `windowPair` and `powerPair` expect it. */
export function halvedWindow(window: Float64Array): number {
  let address = halved.get(window);
  if (address === undefined) {
    address = table(
      wasmMemory(),
      window.map((w) => w / 2),
    );
    halved.set(window, address);
  }
  return address;
}

export interface PairBank {
  /** Band sums of a spectrum; nMels values, 16 bytes each, are at the address returned until the next call. */
  apply(spectrum: number): number;
}

const banks = new WeakMap<MelBank, PairBank>();

/** A mel bank in the kernels' memory, cached. */
export function pairBank(bank: MelBank): PairBank {
  const held = banks.get(bank);
  if (held) return held;
  const memory = wasmMemory();
  const { kernels } = memory;
  const rows = memory.allocate(8 * bank.nMels);
  const output = memory.allocate(16 * bank.nMels);
  const weights = table(memory, bank.weights);
  for (let m = 0; m < bank.nMels; m++) {
    memory.i32[rows / 4 + 2 * m] = 16 * bank.starts[m]!;
    memory.i32[rows / 4 + 2 * m + 1] = bank.offsets[m + 1]! - bank.offsets[m]!;
  }
  const plan: PairBank = {
    apply(spectrum) {
      kernels.bankPair(rows, weights, spectrum, output, bank.nMels);
      return output;
    },
  };
  banks.set(bank, plan);
  return plan;
}
