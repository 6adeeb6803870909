/** One side of a comparison, as the process that serves its repetitions, or as a command whose whole run is measured. */
import { basename } from 'node:path';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { readFileSync } from 'node:fs';

export interface Contender {
  /** `ours (tensorflow)`, `PyTorch`. */
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Measured from start to end, once a repetition; otherwise it serves repetitions on request. */
  readonly isCommand?: boolean;
}

export interface Running {
  readonly label: string;
  /** What the process says of itself: versions, engine, threads. */
  readonly info: Readonly<Record<string, unknown>>;
  /** Seconds of one repetition. */
  run(work: string): Promise<number>;
  /** Largest resident memory so far, in bytes; undefined where the system does not say (it does on Linux) and for commands. */
  peakMemory(): number | undefined;
  close(): void;
}

/** @throws Error with the end of what the process printed when it ends before it is ready. */
export async function start(contender: Contender): Promise<Running> {
  const { label, command, args, env = {} } = contender;
  if (contender.isCommand) {
    return {
      label,
      // names alone: results are committed, and paths are one machine's
      info: { command: [command, ...args].map((word) => basename(word)).join(' ') },
      run: () => runCommand(contender),
      peakMemory: () => undefined,
      close: () => {},
    };
  }
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const next = lineReader(child, label);
  const info = JSON.parse(await next()) as Readonly<Record<string, unknown>>;
  return {
    label,
    info,
    async run(work) {
      child.stdin.write(`${work}\n`);
      const line = await next();
      const seconds = Number(line);
      if (!(seconds > 0))
        throw new Error(`${label}: expected the seconds of one repetition, found ${JSON.stringify(line)}`);
      return seconds;
    },
    peakMemory: () => peakMemoryOf(child.pid),
    close: () => child.kill(),
  };
}

function peakMemoryOf(pid: number | undefined): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : 1024 * Number(kilobytes);
  } catch {
    return undefined;
  }
}

/** The process's lines one at a time; a process that ends while one is awaited rejects with what it wrote to stderr. */
function lineReader(child: ChildProcessByStdio<Writable, Readable, Readable>, label: string): () => Promise<string> {
  const lines: string[] = [];
  let waiting: { resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  let stderr = '';
  let ended: Error | undefined;
  const end = (reason: string): void => {
    ended ??= new Error(`${label}: ${reason}\n${stderr.trimEnd().split('\n').slice(-15).join('\n')}`);
    waiting?.reject(ended);
    waiting = undefined;
  };
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  child.on('error', (error) => end(error.message));
  child.on('close', (code) => end(`ended with status ${code}`));
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (waiting) waiting.resolve(line);
    else lines.push(line);
    waiting = undefined;
  });
  return () => {
    const line = lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (ended) return Promise.reject(ended);
    return new Promise((resolve, reject) => (waiting = { resolve, reject }));
  };
}

function runCommand({ label, command, args, env = {} }: Contender): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { stdio: 'ignore', env: { ...process.env, ...env } });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve((performance.now() - started) / 1000);
      else reject(new Error(`${label}: ${command} ${args.join(' ')} ended with status ${code}`));
    });
  });
}
