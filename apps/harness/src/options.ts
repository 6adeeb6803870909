/** Options that several commands share. Each can be set by an environment variable `UNLABEL_<NAME>` too. */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { EngineOptions } from '@unlabel/engine';

export interface CommonOptions {
  readonly display?: string;
}

export interface EngineCliOptions {
  readonly engine: string;
  readonly threads?: number;
  readonly precision?: 'float32' | 'bf16';
  readonly deterministic?: boolean;
}

export function withDisplay(command: Command): Command {
  return command.addOption(
    new Option('--display <look>', 'progress as').choices(['live', 'plain', 'json', 'none']).env('UNLABEL_DISPLAY'),
  );
}

export function withEngine(command: Command): Command {
  return command
    .addOption(
      new Option('--engine <name>', 'compute on')
        .choices(['auto', 'tensorflow', 'wasm', 'cpu'])
        .default('auto')
        .env('UNLABEL_ENGINE'),
    )
    .addOption(
      new Option('--threads <n>', 'compute threads (default: all cores)').argParser(positiveInt).env('UNLABEL_THREADS'),
    )
    .addOption(
      new Option(
        '--precision <type>',
        'bf16: the native engine multiplies in bfloat16, where the CPU can; changes numbers',
      )
        .choices(['float32', 'bf16'])
        .env('UNLABEL_PRECISION'),
    )
    .addOption(
      new Option('--deterministic', 'fixed order of reductions on the native engine').env('UNLABEL_DETERMINISTIC'),
    );
}

export function withSeed(command: Command): Command {
  return command.addOption(
    new Option('--seed <n>', 'seed of every random draw').argParser(nonNegativeInt).default(0).env('UNLABEL_SEED'),
  );
}

export function withWorkers(command: Command): Command {
  return command.addOption(
    new Option('--workers <n>', 'worker processes or threads (default: one a core)')
      .argParser(positiveInt)
      .env('UNLABEL_WORKERS'),
  );
}

/** Options of models that are Python modules. */
export function withForeign(command: Command): Command {
  return command
    .option('--weights <path>', 'weights that Python models are loaded with')
    .addOption(
      new Option('--python <exe>', 'Python that Python models run in (default: python3)').env('UNLABEL_PYTHON'),
    )
    .addOption(
      new Option('--timeout <seconds>', 'that a Python model may take for one answer (default: 600)').argParser(
        positiveInt,
      ),
    );
}

export const workersOf = (options: { readonly workers?: number }): number => options.workers ?? availableParallelism();

export function engineOptionsOf(options: EngineCliOptions): EngineOptions {
  return {
    engine: options.engine as NonNullable<EngineOptions['engine']>,
    ...(options.threads !== undefined && { threads: options.threads }),
    ...(options.precision !== undefined && { precision: options.precision }),
    ...(options.deterministic !== undefined && { deterministic: options.deterministic }),
  };
}

export function positiveInt(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number ≥ 1.');
  return value;
}

export function nonNegativeInt(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number ≥ 0.');
  return value;
}

/** `0,2` or `0-4`, ascending, each once. */
export function numberList(text: string): number[] {
  const numbers = text.split(',').flatMap((part) => {
    const range = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim());
    const [first, last] = [Number(range?.[1] ?? NaN), Number(range?.[2] ?? range?.[1] ?? NaN)];
    if (!(last >= first && last - first < 10000))
      throw new InvalidArgumentError('expected whole numbers ≥ 0 and ranges of them, such as 0,2 or 0-4.');
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return [...new Set(numbers)].sort((a, b) => a - b);
}

export const collect = (value: string, held: readonly string[] = []): string[] => [...held, value];

export const examples = (lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
