/** What `unlabel zoo verify` does. */
import { CheckpointError } from '@unlabel/core';
import {
  pulledRecords,
  readManifest,
  resolveCheckpoint,
  shippedIds,
  verifyCheckpoint,
  verifyPulled,
} from '@unlabel/zoo/files';

interface Verified {
  readonly id: string;
  readonly files: number;
  readonly bytes: number;
  readonly faults: readonly string[];
}

/**
 * Hashes checkpoints: those that ship and those that were pulled, or the ones named.
 * @throws CheckpointError listing every fault of every checkpoint
 */
export async function verifyAll(checkpoints: readonly string[], options: { json?: boolean } = {}): Promise<string> {
  const records = new Map((await pulledRecords()).map((record) => [record.id, record]));
  const verified: Verified[] = [];
  for (const id of checkpoints.length > 0 ? checkpoints : [...shippedIds(), ...records.keys()]) {
    const record = records.get(id);
    const files = record?.files ?? (await readManifest(resolveCheckpoint(id))).files;
    const faults = record ? await verifyPulled(record) : await verifyCheckpoint(resolveCheckpoint(id));
    verified.push({ id, files: files.length, bytes: files.reduce((sum, file) => sum + file.bytes, 0), faults });
  }
  const faults = verified.flatMap(({ id, faults: found }) => found.map((fault) => `${id}: ${fault}`));
  if (faults.length > 0) {
    throw new CheckpointError(
      `${faults.length} faults; remove the checkpoint (npx unlabel zoo rm ID) and pull or export it again:\n  ${faults.join('\n  ')}`,
      { faults },
    );
  }
  if (options.json) return `${JSON.stringify(verified, null, 2)}\n`;
  return verified
    .map(({ id, files, bytes }) => `ok      ${id}  ${files} files, ${(bytes / 1e6).toFixed(1)} MB\n`)
    .join('');
}
