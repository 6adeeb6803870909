/**
 * N-way K-shot episodes: which classes, which clips to learn from, which to test. Each is a function of (seed, data, N, K, Q, number)
 * alone, so any one can be drawn again by itself, and every model and classifier meets the same ones.
 *
 * Vinyals et al., "Matching Networks for One Shot Learning", NIPS 2016, arXiv 1606.04080v2 (§2.2).
 *
 * Legend: E episodes, N ways, K shots, Q queries a class.
 */
import { ConfigError, createRng, DataError, type Rng } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';

export interface EpisodeShape {
  /** N */
  readonly ways: number;
  /** K: labelled clips of each class. */
  readonly shots: number;
  /** Q: tested clips of each class. */
  readonly queries: number;
  /** E */
  readonly episodes: number;
}

export interface EpisodeOptions extends EpisodeShape {
  readonly seed: number;
  /** Names the data: other clips or classes draw other episodes. */
  readonly key: string;
}

export interface Episodes extends EpisodeShape {
  /** [E, N]: the class behind label n of an episode. */
  readonly classes: Int32Array;
  /** [E, N·K] clips, class by class. */
  readonly support: Int32Array;
  /** [E, N·Q] clips, class by class. */
  readonly query: Int32Array;
  /** [E, N·K] in 0…1: which of its windows a support clip lends, `floor(draw · windows)`. */
  readonly draws: Float64Array;
}

/** @throws ConfigError for sizes that are no counts, DataError when there are too few classes or a class has too few clips */
export function drawEpisodes(clipsOf: readonly (readonly number[])[], options: EpisodeOptions): Episodes {
  const { ways, shots, queries, episodes, seed, key } = options;
  checkShape(options);
  if (clipsOf.length < ways) {
    throw new DataError(`few-shot: ${ways} ways need ${ways} classes, and there are ${clipsOf.length}`);
  }
  const wanted = shots + queries;
  const poor = clipsOf.findIndex((clips) => clips.length < wanted);
  if (poor >= 0) {
    throw new DataError(
      `few-shot: ${shots} shots and ${queries} queries need ${wanted} clips of each class; class ${poor} has ${clipsOf[poor]!.length}`,
    );
  }
  const classes = new Int32Array(episodes * ways);
  const support = new Int32Array(episodes * ways * shots);
  const query = new Int32Array(episodes * ways * queries);
  const draws = new Float64Array(support.length);
  const root = createRng(seed).fork('few-shot').fork(key).fork(`${ways}/${shots}/${queries}`);
  const order = new Int32Array(Math.max(clipsOf.length, ...clipsOf.map(({ length }) => length)));
  for (let e = 0; e < episodes; e++) {
    const rng = root.fork(e);
    const chosen = classes.subarray(e * ways, (e + 1) * ways);
    drawFirst(order, clipsOf.length, ways, rng);
    chosen.set(order.subarray(0, ways));
    chosen.forEach((one, n) => {
      const clips = clipsOf[one]!;
      drawFirst(order, clips.length, wanted, rng);
      for (let k = 0; k < shots; k++) support[(e * ways + n) * shots + k] = clips[order[k]!]!;
      for (let q = 0; q < queries; q++) query[(e * ways + n) * queries + q] = clips[order[shots + q]!]!;
    });
    for (let i = e * ways * shots; i < (e + 1) * ways * shots; i++) draws[i] = rng.uniform();
  }
  return { ways, shots, queries, episodes, classes, support, query, draws };
}

export function checkShape(shape: EpisodeShape): void {
  for (const [name, least] of [['ways', 2], ['shots', 1], ['queries', 1], ['episodes', 1]] as const) {
    const value = shape[name];
    if (!(Number.isSafeInteger(value) && value >= least))
      throw new ConfigError(`few-shot: ${name} ${value}; expected a whole number ≥ ${least}`);
  } // prettier-ignore
}

/** The first `count` of a random order of 0…n−1 into `order` (Fisher–Yates, stopped early). */
function drawFirst(order: Int32Array, n: number, count: number, rng: Rng): void {
  for (let i = 0; i < n; i++) order[i] = i;
  for (let i = 0; i < count; i++) {
    const j = i + rng.int(n - i);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
}

/** SHA-256 of the clips of all episodes: equal hashes, equal episodes. */
export const episodesHash = ({ classes, support, query, draws }: Episodes): string =>
  sha256([classes, support, query, draws].map((part) => sha256(bytesOf(part))).join('\n'));

const bytesOf = (array: Int32Array | Float64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
