/**
 * Runs episodes: products of their windows, a classifier, and the vote of a query clip's windows.
 *
 * Legend: E episodes, N ways, K shots, Q queries a class, D embedding size.
 */
import { createRng, DataError } from '@unlabel/core';
import { countOf, type Embeddings } from '../embeddings.ts';
import { fewShotClassifiers, type FewShotClassifier, type PreparationKind } from './classifiers.ts';
import type { Episodes } from './episodes.ts';
import { productsOf, type EpisodeProducts, type Preparation, type Products } from './products.ts';

/** Clips as windows: one row each for clips taken whole. */
export interface WindowedClips {
  /** [windows, D] */
  readonly embeddings: Embeddings;
  /** [clips + 1]: clip c has the rows offsets[c] … offsets[c + 1] − 1, at least one. */
  readonly offsets: Int32Array;
}

export interface FewShotOutcome {
  /** Label that each query clip got [E, N·Q]; label n is the class `episodes.classes[e, n]`. */
  readonly predictions: Uint8Array;
  /** Rightly labelled query clips of each episode [E]. */
  readonly correct: Uint16Array;
}

export interface FewShotRunner {
  /** @throws DataError when an episode names a clip that is not there */
  run(classifier: FewShotClassifier, episodes: Episodes, options?: RunOptions): FewShotOutcome;
}

export interface RunOptions {
  /** Of classifiers that draw (`sgd-logistic`); default 0. */
  readonly seed?: number;
  /** Called with the scores [windows, N] of each episode; the array is used again. */
  readonly onScores?: (episode: number, scores: Float64Array) => void;
}

export interface RunnerOptions {
  /** Mean embedding [D] of the base classes, for `cl2n`; default the mean of all windows here. */
  readonly baseMean?: Float64Array;
  /** Bytes for the matrix of all products; above it, each episode makes its own. */
  readonly memory?: number;
}

/** Products are made when a classifier first needs them, and shared by those that prepare alike. */
export function createFewShotRunner(clips: WindowedClips, { baseMean, memory }: RunnerOptions = {}): FewShotRunner {
  const { embeddings, offsets } = clips;
  if (offsets[0] !== 0 || offsets.at(-1) !== countOf(embeddings) || offsets.some((at, c) => c > 0 && at <= offsets[c - 1]!))
    throw new DataError(`few-shot: clips must have one window or more; offsets end at ${offsets.at(-1)} of ${countOf(embeddings)}`);
  const made = new Map<PreparationKind, Products>();
  const productsFor = (kind: PreparationKind): Products => {
    let products = made.get(kind);
    if (!products) {
      const preparation: Preparation =
        kind === 'cl2n' ? { kind, mean: baseMean ?? meanOf(embeddings) } : { kind };
      made.set(kind, (products = productsOf(embeddings, preparation, memory)));
    }
    return products;
  };
  return { run: (classifier, episodes, options) => runEpisodes(clips, productsFor(classifier.preparation), classifier, episodes, options) };
} // prettier-ignore

/** Mean of all rows in float64 [D]. */
export function meanOf({ data, width }: Embeddings): Float64Array {
  const mean = new Float64Array(width);
  for (let at = 0; at < data.length; at += width) for (let d = 0; d < width; d++) mean[d]! += data[at + d]!;
  const rows = data.length / width;
  return mean.map((sum) => sum / rows);
}

function runEpisodes(
  { offsets }: WindowedClips,
  products: Products,
  classifier: FewShotClassifier,
  episodes: Episodes,
  { seed = 0, onScores }: RunOptions = {},
): FewShotOutcome {
  const { ways, shots, queries, episodes: count, support, query, draws } = episodes;
  const clips = offsets.length - 1;
  for (const list of [support, query]) {
    const odd = list.find((clip) => !(clip >= 0 && clip < clips));
    if (odd !== undefined) throw new DataError(`few-shot: an episode names clip ${odd} of ${clips}`);
  }
  const [m, perEpisode] = [ways * shots, ways * queries];
  const predictions = new Uint8Array(count * perEpisode);
  const correct = new Uint16Array(count);
  const supportWindows = new Int32Array(m);
  const room = makeRoom(mostWindows(episodes, offsets), m, ways);
  const votes = new Int32Array(ways);
  const root = createRng(seed).fork('few-shot').fork(classifier.id);
  for (let e = 0; e < count; e++) {
    for (let i = 0; i < m; i++) {
      const clip = support[e * m + i]!;
      const [from, to] = [offsets[clip]!, offsets[clip + 1]!];
      supportWindows[i] = from + Math.min(to - from - 1, Math.floor(draws[e * m + i]! * (to - from)));
    }
    let windows = 0;
    for (let i = 0; i < perEpisode; i++) {
      const clip = query[e * perEpisode + i]!;
      for (let row = offsets[clip]!; row < offsets[clip + 1]!; row++) room.windows[windows++] = row;
    }
    products.read(supportWindows, room.windows.subarray(0, windows), room.products);
    classifier.score(room.products, { ways, shots, windows }, room.scores, () => root.fork(e));
    onScores?.(e, room.scores.subarray(0, windows * ways));
    let at = 0;
    for (let i = 0; i < perEpisode; i++) {
      const clip = query[e * perEpisode + i]!;
      const label = vote(room.scores, at, offsets[clip + 1]! - offsets[clip]!, votes);
      at += (offsets[clip + 1]! - offsets[clip]!) * ways;
      predictions[e * perEpisode + i] = label;
      if (label === Math.floor(i / queries)) correct[e]!++;
    }
  }
  return { predictions, correct };
}

/** The label most windows get; of equal ones the smallest. */
function vote(scores: Float64Array, at: number, windows: number, votes: Int32Array): number {
  const ways = votes.length;
  votes.fill(0);
  for (let w = at; w < at + windows * ways; w += ways) {
    let best = 0;
    for (let n = 1; n < ways; n++) if (scores[w + n]! > scores[w + best]!) best = n;
    votes[best]!++;
  }
  let label = 0;
  for (let n = 1; n < ways; n++) if (votes[n]! > votes[label]!) label = n;
  return label;
}

function mostWindows({ ways, queries, episodes, query }: Episodes, offsets: Int32Array): number {
  const perEpisode = ways * queries;
  let most = 0;
  for (let e = 0; e < episodes; e++) {
    let windows = 0;
    for (let i = e * perEpisode; i < (e + 1) * perEpisode; i++)
      windows += offsets[query[i]! + 1]! - offsets[query[i]!]!;
    most = Math.max(most, windows);
  }
  return most;
}

function makeRoom(
  windows: number,
  m: number,
  ways: number,
): { windows: Int32Array; products: EpisodeProducts; scores: Float64Array } {
  const products = { support: new Float64Array(m * m), query: new Float64Array(windows * m) };
  return { windows: new Int32Array(windows), products, scores: new Float64Array(windows * ways) };
}

/** Ids of the classifiers, in their order. */
export const fewShotClassifierIds: readonly string[] = Object.keys(fewShotClassifiers);
