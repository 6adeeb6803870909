/** Worker processes that embed and probe, one a core, so that every engine uses every core. */
import { fork, type ChildProcess } from 'node:child_process';
import { ConfigError, DataError } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import type { Job, JobResult, WorkerReply } from './eval-worker.ts';

export interface Pool {
  /** Run a job on the next free worker; `urgent` jobs go before waiting ones. */
  run<J extends Job>(job: J, urgent?: boolean, onProgress?: (progress: number | string) => void): Promise<JobResult<J>>;
  /** Drop what waits and end the workers. */
  close(): void;
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress?: ((progress: number | string) => void) | undefined;
}

export function createPool(size: number, engine: EngineOptions): Pool {
  const queue: Waiting[] = [];
  const idle: ChildProcess[] = [];
  const all = new Set<ChildProcess>();
  const active = new Map<ChildProcess, Waiting>();
  let isClosed = false;

  const start = (): ChildProcess => {
    const child = fork(new URL('./eval-worker.ts', import.meta.url), [JSON.stringify(engine)], {
      execArgv: ['--conditions=@unlabel/source', '--no-warnings'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    all.add(child);
    child.on('message', (reply: WorkerReply) => {
      if ('progress' in reply) {
        active.get(child)?.onProgress?.(reply.progress);
        return;
      }
      const held = active.get(child);
      active.delete(child);
      idle.push(child);
      if (held) {
        if ('error' in reply) held.reject(restoreError(reply));
        else held.resolve(reply.result as never);
      }
      feed();
    });
    child.on('exit', (code, signal) => {
      all.delete(child);
      const at = idle.indexOf(child);
      if (at >= 0) idle.splice(at, 1);
      const held = active.get(child);
      active.delete(child);
      if (held && !isClosed) {
        held.reject(
          new DataError(
            `${describeJob(held.job)}: the worker process ended (${signal ?? `exit code ${code}`}), perhaps for lack of memory. Run the command again to go on, with --workers 1 or a smaller --memory if it repeats.`,
          ),
        );
      }
      feed();
    });
    return child;
  };

  const feed = (): void => {
    while (!isClosed && queue.length > 0) {
      const child = idle.pop() ?? (all.size < size ? start() : undefined);
      if (!child) return;
      const next = queue.shift()!;
      active.set(child, next);
      child.send(next.job);
    }
  };

  return {
    run: (job, urgent = false, onProgress) =>
      new Promise((resolve, reject) => {
        const waiting: Waiting = { job, resolve, reject, onProgress };
        if (urgent) queue.unshift(waiting);
        else queue.push(waiting);
        feed();
      }),
    close() {
      isClosed = true;
      queue.length = 0;
      for (const child of all) child.kill();
    },
  };
}

function describeJob(job: Job): string {
  if (job.kind === 'probe') return `${job.protocol} of ${job.model.id} on ${job.taskDir}`;
  if (job.kind === 'detect') return `${job.protocol} of ${job.model.id} on ${job.taskPath}`;
  if (job.kind === 'predict') return `${job.protocol} of ${job.dir}`;
  if (job.kind === 'speed') return job.model.id;
  if (job.kind === 'few-shot') return `few-shot episodes of ${job.model.id} on ${job.runs[0]!.key.task}`;
  const { clips } = job.shard;
  return `${job.model.id}: embedding ${clips[0]!.path} … ${clips.at(-1)!.path}`;
}

function restoreError(reply: { error: string; kind: string }): Error {
  return reply.kind === 'ConfigError' ? new ConfigError(reply.error) : new DataError(reply.error);
}
