/** The other side of `bridge.py`: starts a user's Python and exchanges arrays with a module that has the HEAR API. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ConfigError, DataError, parseConfig } from '@unlabel/core';
import { z } from 'zod';

export interface BridgeOptions {
  /** `hearbaseline.naive`. */
  readonly module: string;
  /** Given to `load_model`; '' for none. */
  readonly weights: string;
  /** Executable. */
  readonly python: string;
  /** Seconds that loading, or one call, may take. */
  readonly timeout: number;
}

/** An array as Python sent it; only float32 is of use to an evaluation. */
export interface PythonArray {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: Float32Array;
}

export interface Bridge {
  readonly model: PythonModel;
  /** @param audio n clips of equal length */
  call(op: 'scene' | 'timestamps', audio: readonly Float32Array[]): Promise<PythonArray[]>;
  close(): void;
}

const modelSchema = z.object({
  sample_rate: z.int().positive(),
  scene_embedding_size: z.int().positive(),
  timestamp_embedding_size: z.int().nonnegative(),
  parameters: z.int().nonnegative(),
  fingerprint: z.string(),
});
export type PythonModel = z.output<typeof modelSchema>;

const answerSchema = z.discriminatedUnion('ok', [
  z.looseObject({
    ok: z.literal(true),
    bytes: z.int().nonnegative(),
    model: modelSchema.optional(),
    arrays: z
      .array(z.object({ shape: z.array(z.int().nonnegative()), dtype: z.string(), bytes: z.int().nonnegative() }))
      .optional(),
  }),
  z.looseObject({ ok: z.literal(false), kind: z.string(), message: z.string(), trace: z.array(z.string()) }),
]);
type Answer = z.output<typeof answerSchema>;

/** A header is short; one that is not is no header, but something that prints into the channel. */
const maxHeaderBytes = 1 << 20;
const maxPayloadBytes = 2 ** 31;
const stderrLines = 15;

/**
 * Starts Python and loads the model.
 * @throws ConfigError when Python, the module or its API is missing; DataError when loading fails, dies or hangs
 */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { module, weights, python, timeout } = options;
  const script = fileURLToPath(new URL('./bridge.py', import.meta.url));
  const child = spawn(python, ['-u', script, module, weights], { stdio: ['pipe', 'pipe', 'pipe'] });
  const reader = createReader();
  let stderr = '';
  let waiting: { resolve: (answer: [Answer, Buffer]) => void; reject: (error: Error) => void } | undefined;
  let ended: Error | undefined;
  const tail = (): string => {
    const lines = stderr.trimEnd().split('\n').slice(-stderrLines).join('\n  ');
    return lines === '' ? '' : `\nIts last output:\n  ${lines}`;
  };
  const settle = (error: Error): void => {
    ended ??= error;
    const held = waiting;
    waiting = undefined;
    held?.reject(ended);
  };
  child.stderr.on('data', (bytes: Buffer) => (stderr = (stderr + bytes.toString()).slice(-64_000)));
  child.stdin.on('error', () => {}); // a child that is gone is reported by its end
  child.on('error', (error: NodeJS.ErrnoException) =>
    settle(
      error.code === 'ENOENT'
        ? new ConfigError(`python:${module}: there is no ${python}. Name one with --python or UNLABEL_PYTHON.`)
        : new DataError(`python:${module}: ${python} cannot be started (${error.message})`),
    ),
  );
  child.on('close', (code, signal) =>
    settle(
      new DataError(
        `python:${module}: Python ended (${signal ?? `exit code ${code}`})${signal === 'SIGKILL' ? ', perhaps for lack of memory' : ''}${tail()}`,
      ),
    ),
  );
  child.stdout.on('data', (bytes: Buffer) => {
    try {
      const message = reader(bytes);
      if (!message) return;
      const held = waiting;
      waiting = undefined;
      held?.resolve(message);
    } catch (error) {
      child.kill('SIGKILL');
      settle(
        new DataError(
          `python:${module}: its answer is not the bridge's (${error instanceof Error ? error.message : ''})${tail()}`,
        ),
      );
    }
  });
  const answer = (what: string): Promise<[Answer, Buffer]> =>
    new Promise((resolve, reject) => {
      if (ended) return reject(ended);
      const timer = setTimeout(() => {
        settle(new DataError(`python:${module}: ${what} did not end within ${timeout} s; it was stopped${tail()}`));
        child.kill('SIGKILL');
      }, timeout * 1000);
      const done =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      waiting = { resolve: done(resolve), reject: done(reject) };
    });

  const [loaded] = await answer('loading');
  if (!loaded.ok) {
    child.kill('SIGKILL');
    throw failure(module, loaded);
  }
  const model = parseConfig(modelSchema, loaded.model, `python:${module}: model`);
  return {
    model,
    async call(op, audio) {
      const shape = [audio.length, audio[0]?.length ?? 0];
      const what = `${op === 'scene' ? 'get_scene_embeddings' : 'get_timestamp_embeddings'} of ${shape[0]} x ${shape[1]} samples`;
      const waitingFor = answer(what);
      send(child.stdin, { op, shape }, audio);
      const [found, payload] = await waitingFor;
      if (!found.ok) throw failure(module, found, what);
      let at = 0;
      return (found.arrays ?? []).map(({ shape: dims, dtype, bytes }) => {
        const part = payload.subarray(at, at + bytes);
        at += bytes;
        return { shape: dims, dtype, data: dtype === 'float32' ? floatsOf(part) : new Float32Array(0) };
      });
    },
    close() {
      ended ??= new DataError(`python:${module}: is closed`);
      child.stdin.end();
      child.kill();
    },
  };
}

const floatsOf = (bytes: Buffer): Float32Array =>
  new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));

function failure(module: string, answer: Extract<Answer, { ok: false }>, what?: string): Error {
  const trace = answer.trace.length > 0 ? `\n  ${answer.trace.join('\n  ')}` : '';
  const message = `python:${module}: ${what === undefined ? '' : `${what}: `}${answer.message}${trace}`;
  return answer.kind === 'import' || answer.kind === 'api' ? new ConfigError(message) : new DataError(message);
}

function send(
  stdin: NodeJS.WritableStream,
  header: Readonly<Record<string, unknown>>,
  audio: readonly Float32Array[],
): void {
  const bytes = audio.reduce((sum, clip) => sum + clip.byteLength, 0);
  const text = Buffer.from(JSON.stringify({ ...header, bytes }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  stdin.write(Buffer.concat([length, text]));
  for (const clip of audio) stdin.write(Buffer.from(clip.buffer, clip.byteOffset, clip.byteLength));
}

/** Gathers bytes into messages. */
function createReader(): (bytes: Buffer) => [Answer, Buffer] | undefined {
  let parts: Buffer[] = [];
  let held = 0;
  let needed = 4;
  let header: Answer | undefined;
  let stage: 'length' | 'header' | 'payload' = 'length';
  return (bytes) => {
    parts.push(bytes);
    held += bytes.length;
    while (held >= needed) {
      const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      const message = all.subarray(0, needed);
      parts = all.length > needed ? [all.subarray(needed)] : [];
      held = all.length - needed;
      if (stage === 'length') {
        needed = message.readUInt32LE();
        if (needed > maxHeaderBytes) throw new Error('a header of more than 1 MiB');
        stage = 'header';
      } else if (stage === 'header') {
        header = parseConfig(answerSchema, JSON.parse(message.toString()), 'header');
        needed = header.ok ? header.bytes : 0;
        if (needed > maxPayloadBytes) throw new Error('a payload of more than 2 GiB');
        stage = 'payload';
      } else {
        stage = 'length';
        needed = 4;
        return [header!, Buffer.from(message)];
      }
    }
    return undefined;
  };
}
