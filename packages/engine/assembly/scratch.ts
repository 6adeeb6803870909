/** Each thread's private scratch memory, given once by the main thread. */
export let scratch: usize = 0;

export function setScratch(at: usize): void {
  scratch = at;
}

/**
 * Read a stretch of memory in its order, a word a cache line: what follows reads it down columns, which the processor's
 * prefetcher does not foresee.
 */
export function touch(from: usize, bytes: usize): void {
  let sum = 0;
  const end = from + bytes;
  for (; from < end; from += 64) sum += load<i32>(from);
  store<i32>(scratch + 8192, sum); // or the loop would be removed
}
