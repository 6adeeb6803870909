/** Each thread's private scratch memory, given once by the main thread. */
export let scratch: usize = 0;

export function setScratch(at: usize): void {
  scratch = at;
}
