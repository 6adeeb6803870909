/**
 * Accuracy over episodes and how far to trust it.
 *
 * The interval everybody prints, 1.96·sd/√E with the population's sd, is about these classes: more episodes make it as narrow as one
 * likes. What differs between class splits is in the second interval. In y = μ + Σ_{c in episode} a_c + rest (the first terms of
 * Hoeffding's decomposition, "A class of statistics with asymptotically normal distribution", 1948) the classes are a sample of C,
 * whose effects add N²·σ_a²/C to the variance of the mean; σ_a² is estimated from the mean accuracy of the episodes of each class,
 * less what their number alone would make of it. Few classes: Student's t with C − 1 degrees of freedom. Interactions of classes are
 * left out. With C = N every episode has every class and nothing can be said.
 *
 * Legend: E episodes, N ways, C classes that occur.
 */
import type { EpisodeShape, Episodes } from './episodes.ts';

export interface EpisodeSummary {
  /** 0 … 1. */
  readonly mean: number;
  /** Population standard deviation over episodes. */
  readonly sd: number;
  /** Half width of the official interval: 1.96·sd/√E. */
  readonly ci95: number;
  /** Half width with the variance of class splits; null where it cannot be told. */
  readonly ci95Classes: number | null;
  /** Classes that occur. */
  readonly classes: number;
}

/** The official numbers of values over E episodes. */
export function officialInterval(values: Float64Array): Pick<EpisodeSummary, 'mean' | 'sd' | 'ci95'> {
  const n = values.length;
  let mean = 0;
  for (let e = 0; e < n; e++) mean += values[e]!;
  mean /= n;
  let square = 0;
  for (let e = 0; e < n; e++) square += (values[e]! - mean) ** 2;
  const sd = Math.sqrt(square / n);
  return { mean, sd, ci95: (1.96 * sd) / Math.sqrt(n) };
}

/** Accuracies [E] of what an outcome counts. */
export const accuracies = (correct: ArrayLike<number>, { ways, queries }: EpisodeShape): Float64Array =>
  Float64Array.from(correct, (count) => count / (ways * queries));

export const summarizeEpisodes = (correct: ArrayLike<number>, episodes: Episodes): EpisodeSummary =>
  summarizeValues(accuracies(correct, episodes), episodes);

/** a − b on the same episodes: positive where a is better. */
export function pairedEpisodes(a: ArrayLike<number>, b: ArrayLike<number>, episodes: Episodes): EpisodeSummary {
  const [ofA, ofB] = [accuracies(a, episodes), accuracies(b, episodes)];
  return summarizeValues(
    ofA.map((value, e) => value - ofB[e]!),
    episodes,
  );
}

/** values [E] of the episodes, whatever they are. */
export function summarizeValues(values: Float64Array, { ways, classes: drawn }: Episodes): EpisodeSummary {
  const official = officialInterval(values);
  const sums = new Map<number, { sum: number; count: number }>();
  for (let i = 0; i < drawn.length; i++) {
    const value = values[Math.floor(i / ways)]!;
    const held = sums.get(drawn[i]!);
    if (held) {
      held.sum += value;
      held.count++;
    } else sums.set(drawn[i]!, { sum: value, count: 1 });
  }
  const classes = sums.size;
  if (classes <= ways) return { ...official, ci95Classes: null, classes };
  // An episode's other classes are drawn from those left, so its class's own effect shows at (C − N)/(C − 1) of its size.
  const share = (classes - ways) / (classes - 1);
  let spread = 0;
  let noise = 0;
  for (const { sum, count } of sums.values()) {
    spread += (sum / count - official.mean) ** 2;
    noise += (official.sd ** 2 / count) * (1 - count / values.length);
  }
  const effect = Math.max(0, spread - noise) / (classes - 1) / share ** 2;
  const variance = (official.sd ** 2 / values.length) + (ways ** 2 * effect) / classes;
  return { ...official, ci95Classes: studentQuantile(classes - 1) * Math.sqrt(variance), classes };
} // prettier-ignore

/** 97.5 % point of Student's t (Cornish–Fisher expansion; within 1 % from 3 degrees of freedom on). */
export function studentQuantile(freedom: number): number {
  const z = 1.959963984540054;
  const v = freedom;
  return (
    z +
    (z ** 3 + z) / (4 * v) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * v ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * v ** 3) +
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / (92160 * v ** 4)
  );
}
