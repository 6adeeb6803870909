/**
 * A reader of Python pickles, protocols 0 to 5 (CPython `pickletools`), that runs nothing: a pickle's calls become plain
 * values where `constructors` knows the callable, and `PickleObject` nodes everywhere else.
 *
 * None → null, int → number (bigint beyond 2^53), str → string, bytes and bytearray → Uint8Array, list and tuple → array,
 * dict → Map, set and frozenset → Set.
 */
import { PickleMachine, type PickleOptions } from './pickle-machine.ts';
import { operations } from './pickle-operations.ts';

export type { PickleOptions } from './pickle-machine.ts';
export { PickleGlobal, PickleObject } from './pickle-values.ts';

/**
 * Reads one pickle that starts at `start`. Stack, marks, memo, objects and copies are bounded.
 * @returns the value and where the pickle ends
 * @throws DataError when it is malformed, too large, names what `refuse` refuses, or needs what is not supported (extension
 * codes, out-of-band buffers)
 */
export function readPickle(bytes: Uint8Array, options: PickleOptions, start = 0): { value: unknown; end: number } {
  return new PickleMachine(bytes, options, start).run(operations);
}
