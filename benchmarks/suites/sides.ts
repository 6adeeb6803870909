/** The two kinds of side a suite has. */
import type { Contender } from '../lib/contender.ts';

const path = (relative: string): string => new URL(`../${relative}`, import.meta.url).pathname;

/** `ours (tensorflow, bf16)`; the engine that is chosen by itself has no name. */
function labelOf(engine: string, note: string | undefined): string {
  const words = [...(engine === 'auto' ? [] : [engine]), ...(note === undefined ? [] : [note])];
  return words.length === 0 ? 'ours' : `ours (${words.join(', ')})`;
}

/** A script of `works/`, on an engine; `note` tells sides on the same one apart. */
export const ours = (script: string, engine: string, args: readonly string[] = [], note?: string): Contender => ({
  label: labelOf(engine, note),
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
