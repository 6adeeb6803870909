/** Temporary folders of builds that were killed. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Removes the folders `<prefix><pid>…` of `root` whose process has ended. */
export function removeAbandoned(root: string, prefix: string): void {
  for (const name of readdirSync(root).filter((entry) => entry.startsWith(prefix))) {
    if (!isRunning(Number.parseInt(name.slice(prefix.length), 10)))
      rmSync(join(root, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
