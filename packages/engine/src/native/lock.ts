/**
 * A lock file against two installations of the same engine at once. It holds the owner's process id and start time, so
 * that the lock of a killed process is taken over at once and a reused id is not mistaken for its owner. The lock saves
 * work; what is installed stays whole without it, because every result is renamed into place.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Start time of a process in clock ticks since boot, where /proc tells it; '' elsewhere; undefined when it is gone. */
function startOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(content: string): boolean {
  const [pid, start] = content.split(' ');
  const id = Number(pid);
  if (!Number.isInteger(id) || id <= 0) return false;
  const found = startOf(id);
  return found !== undefined && (found === '' || start === undefined || found === start);
}

function tryLock(file: string, own: string): boolean {
  try {
    writeFileSync(file, own, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

function readLock(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Runs `work` while holding `file`; waits (calling `onWait` once) while a living process holds it.
 * @param pollMs how often to look again
 */
export async function withLock<T>(file: string, work: () => Promise<T>, onWait?: () => void, pollMs = 500): Promise<T> {
  const own = `${process.pid} ${startOf(process.pid) ?? ''}`;
  let hasWaited = false;
  while (!tryLock(file, own)) {
    const held = readLock(file);
    if (held === undefined) continue;
    // An empty lock is one being written right now, or left by a kill between creation and writing: look twice.
    if (!isAlive(held) && (held !== '' || (await stillEmpty(file, pollMs)))) {
      const aside = `${file}.${process.pid}.stale`;
      try {
        renameSync(file, aside);
        rmSync(aside, { force: true });
      } catch {
        // another process took the stale lock first
      }
      continue;
    }
    if (!hasWaited) onWait?.();
    hasWaited = true;
    await sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    if (readLock(file) === own) rmSync(file, { force: true });
  }
}

async function stillEmpty(file: string, pollMs: number): Promise<boolean> {
  await sleep(pollMs);
  return readLock(file) === '';
}
