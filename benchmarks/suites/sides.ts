/** The two kinds of side a suite has. */
import type { Contender } from '../lib/contender.ts';

const path = (relative: string): string => new URL(`../${relative}`, import.meta.url).pathname;

/** A script of `works/`, on an engine. */
export const ours = (script: string, engine: string, args: readonly string[] = []): Contender => ({
  label: engine === 'auto' ? 'ours' : `ours (${engine})`,
  command: process.execPath,
  args: ['--conditions=@unlabel/source', path(`works/${script}`), ...args],
  env: { UNLABEL_ENGINE: engine, TF_CPP_MIN_LOG_LEVEL: '2' },
});

/** A script of `peers/`; none without a Python. */
export const peer = (
  label: string,
  script: string,
  python: string | undefined,
  args: readonly string[] = [],
): Contender[] =>
  python === undefined ? [] : [{ label, command: python, args: [path(`peers/${script}`), '--serve', ...args] }];
