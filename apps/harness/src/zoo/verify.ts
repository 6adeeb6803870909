/** What `unlabel zoo verify` does. */
import { CheckpointError } from '@unlabel/core';
import { readManifest, resolveCheckpoint, shippedIds, verifyCheckpoint } from '@unlabel/zoo/files';

/** @throws CheckpointError listing every fault of every checkpoint */
export async function verifyAll(checkpoints: readonly string[]): Promise<string> {
  const lines: string[] = [];
  const faults: string[] = [];
  for (const id of checkpoints.length > 0 ? checkpoints : shippedIds()) {
    const dir = resolveCheckpoint(id);
    const found = await verifyCheckpoint(dir);
    faults.push(...found.map((fault) => `${id}: ${fault}`));
    const { files } = await readManifest(dir);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    lines.push(
      `${found.length === 0 ? 'ok    ' : 'FAULTS'}  ${id}  ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB\n`,
    );
  }
  if (faults.length > 0) {
    throw new CheckpointError(
      `${faults.length} faults; pull or export the checkpoint again:\n  ${faults.join('\n  ')}`,
      { faults },
    );
  }
  return lines.join('');
}
