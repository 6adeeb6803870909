/**
 * A lock file: one holder at a time among processes, and machines that share the folder. The holder touches it every few seconds, so
 * that the lock of one that died is taken over; a dead process of the same machine is noticed at once.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataError, messageOf } from '@unlabel/core';

export interface FileLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else holds it. */
  readonly onWait?: (() => void) | undefined;
  /** Milliseconds without a sign of life after which a holder counts as dead. Default 30,000. */
  readonly staleMs?: number | undefined;
  /** Milliseconds between looks. Default 100. */
  readonly pollMs?: number | undefined;
}

/** Whether the lock is still this holder's: another may have taken it when this machine slept. */
export type StillHeld = () => Promise<boolean>;

/**
 * Runs `work` while holding `file`.
 * @throws DataError when the lock cannot be written; the signal's reason when it aborts while waiting
 */
export async function withFileLock<T>(
  file: string,
  work: (stillHeld: StillHeld) => Promise<T>,
  options: FileLockOptions = {},
): Promise<T> {
  const { signal, onWait, staleMs = 30_000, pollMs = 100 } = options;
  const own = `${process.pid} ${hostname()} ${randomUUID()}`;
  let hasWaited = false;
  while (!(await take(file, own))) {
    signal?.throwIfAborted();
    if (await isDead(file, staleMs)) {
      await remove(file, await contentOf(file));
      continue;
    }
    if (!hasWaited) onWait?.();
    hasWaited = true;
    await sleep(pollMs * (0.5 + Math.random()), undefined, { signal });
  }
  const stillHeld = async (): Promise<boolean> => (await contentOf(file)) === own;
  const beat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => {}); // gone: `stillHeld` tells
  }, staleMs / 6);
  beat.unref();
  try {
    return await work(stillHeld);
  } finally {
    clearInterval(beat);
    if (await stillHeld()) await rm(file, { force: true });
  }
}

async function take(file: string, own: string): Promise<boolean> {
  // Written beside and linked: a lock is never seen half written.
  const beside = `${file}.${randomUUID()}`;
  try {
    const handle = await open(beside, 'wx');
    try {
      await handle.writeFile(own);
    } finally {
      await handle.close();
    }
    await link(beside, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new DataError(`${file}: the lock could not be written (${messageOf(error)})`, { cause: error });
  } finally {
    await rm(beside, { force: true });
  }
}

const contentOf = async (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);

async function isDead(file: string, staleMs: number): Promise<boolean> {
  const [content, found] = await Promise.all([contentOf(file), stat(file).catch(() => undefined)]);
  if (content === undefined || found === undefined) return false; // given back meanwhile
  if (Date.now() - found.mtimeMs > staleMs) return true;
  const [pid, host] = content.split(' ');
  if (host !== hostname() || !/^\d+$/.test(pid ?? '')) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Removes a dead holder's lock; one that came in between is put back. */
async function remove(file: string, dead: string | undefined): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    if ((await contentOf(aside)) !== dead) await link(aside, file);
  } catch {
    // another process took it first
  } finally {
    await rm(aside, { force: true });
  }
}
