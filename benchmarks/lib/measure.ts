/** Interleaved repetitions and what is reported of them. */
import { start, type Contender, type Running } from './contender.ts';

export interface Suite {
  readonly name: string;
  /** One sentence: what is measured, with the sizes. */
  readonly description: string;
  /** Named works that every contender can do. */
  readonly works: readonly string[];
  /** What one repetition processes, for a rate: `{ step: { amount: 128, unit: 'clips' } }`. */
  readonly amounts?: Readonly<Record<string, { readonly amount: number; readonly unit: string }>>;
  readonly repetitions: number;
  contenders(options: SuiteOptions): Promise<readonly Contender[]>;
  /** Files the works need, made once; removed by the system's own rules. */
  prepare?(): Promise<void>;
}

export interface SuiteOptions {
  /** `auto`, `tensorflow`, `wasm`. */
  readonly engine: string;
  /** Python with the peers' packages, when there is one. */
  readonly python?: string;
}

export interface Timing {
  /** Seconds. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly runs: readonly number[];
}

export interface Measured {
  readonly label: string;
  readonly info: Readonly<Record<string, unknown>>;
  readonly works: Readonly<Record<string, Timing>>;
  /** Largest resident memory of the process over all repetitions, in bytes. */
  readonly peakMemory?: number;
}

/** Value at share q of sorted numbers, linear between neighbours. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return below + (above - below) * (at - Math.floor(at));
}

const timing = (runs: readonly number[]): Timing => {
  const sorted = runs.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75), runs };
};

/**
 * How many times faster `ours` is than `peer`: the median over repetitions of the ratio of neighbours in time, so that load that
 * comes and goes on the machine falls on both.
 */
export function pairedRatio(ours: Timing, peer: Timing): number {
  const ratios = ours.runs.map((seconds, i) => peer.runs[i]! / seconds);
  return quantile(
    ratios.toSorted((a, b) => a - b),
    0.5,
  );
}

/** Two warm-up rounds, then the repetitions; the order of the contenders turns round by round. */
export async function measure(
  suite: Suite,
  options: SuiteOptions & { readonly repetitions?: number },
  onProgress: (text: string) => void,
): Promise<readonly Measured[]> {
  await suite.prepare?.();
  const running: Running[] = [];
  try {
    for (const contender of await suite.contenders(options)) {
      onProgress(`${suite.name}: starting ${contender.label}`);
      running.push(await start(contender));
    }
    const runs = running.map(() => new Map<string, number[]>(suite.works.map((work) => [work, []])));
    const repetitions = options.repetitions ?? suite.repetitions;
    for (let round = -2; round < repetitions; round++) {
      onProgress(`${suite.name}: ${round < 0 ? 'warming up' : `repetition ${round + 1} of ${repetitions}`}`);
      for (const work of suite.works) {
        for (let k = 0; k < running.length; k++) {
          const i = (k + round + 2) % running.length;
          const seconds = await running[i]!.run(work);
          if (round >= 0) runs[i]!.get(work)!.push(seconds);
        }
      }
    }
    const peaks = running.map((one) => one.peakMemory());
    return running.map(({ label, info }, i) => ({
      label,
      info,
      ...(peaks[i] !== undefined && { peakMemory: peaks[i] }),
      works: Object.fromEntries([...runs[i]!].map(([work, seconds]) => [work, timing(seconds)])),
    }));
  } finally {
    for (const one of running) one.close();
  }
}
