/** What `unlabel zoo card` does: shows a checkpoint's card, or puts measured scores into it. */
import { ConfigError } from '@unlabel/core';
import { collect, engineOf, type CollectedResult } from '@unlabel/leaderboard';
import {
  cardText,
  fingerprintFile,
  readCard,
  readManifest,
  resolveCheckpoint,
  writeCard,
  writeManifest,
  type CardResult,
} from '@unlabel/zoo/files';

/** The card as Markdown. */
export const showCard = async (idOrDir: string): Promise<string> =>
  cardText(await readCard(resolveCheckpoint(idOrDir)));

/**
 * Writes the whole results of this very checkpoint below `dirs` into its card, and its manifest anew.
 * @returns how many
 * @throws ConfigError when there are none of its weights
 */
export async function addResults(idOrDir: string, dirs: readonly string[]): Promise<number> {
  const dir = resolveCheckpoint(idOrDir);
  const card = await readCard(dir);
  const fingerprint = await fingerprintFile(dir);
  const { results } = await collect(dirs);
  const own = results.filter(({ result }) => result.model.fingerprint === fingerprint && result.n === result.nFull);
  if (own.length === 0) {
    throw new ConfigError(
      `${dirs.join(', ')}: no whole result of ${idOrDir} as it is now. Evaluate it first: npx unlabel eval ${idOrDir} --tasks ${card.sampleRate === null ? 'images' : 'quickstart'} -o DIR`,
    );
  }
  const rows = own.map(rowOf).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  await writeCard(dir, { ...card, results: rows });
  await writeManifest(dir, (await readManifest(dir)).parent);
  return rows.length;
}

const keyOf = ({ protocol, task, seed }: CardResult): string => `${protocol} ${task} ${seed}`;

function rowOf({ result }: CollectedResult): CardResult {
  const { value, low, high } = result.metrics[result.primary]!;
  return {
    task: result.task.id,
    revision: result.task.revision,
    protocol: result.protocol.id,
    metric: result.primary,
    value,
    low,
    high,
    n: result.n,
    seed: result.seed,
    engine: engineOf(result) ?? 'none',
  };
}
