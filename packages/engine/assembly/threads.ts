/**
 * A job is an operation, a table of parameters and a number of chunks. Threads claim chunks one by one; which thread computes a
 * chunk never changes its bytes. The ticket holds generation, count and next chunk in one 64-bit word, so that a thread that
 * wakes late can never claim a chunk of a job that has gone.
 *
 * Control block (bytes): 0 ticket · 64 finished chunks · 128 signal · 192 stop · 256 operation · 260… parameters.
 */
import { dispatch } from './dispatch';

const FINISHED: usize = 64;
const SIGNAL: usize = 128;
const STOP: usize = 192;
const OPERATION: usize = 256;
const PARAMETERS: usize = 260;
const SPINS: i32 = 4000; // some tens of microseconds: shorter than waking a thread

let generation: i64 = 0;

function claim(control: usize): void {
  for (;;) {
    const ticket = atomic.load<i64>(control);
    const next = <i32>(ticket & 0xfffff);
    const count = <i32>((ticket >> 20) & 0xfffff);
    if (next >= count) return;
    if (atomic.cmpxchg<i64>(control, ticket, ticket + 1) != ticket) continue;
    dispatch(load<i32>(control + OPERATION), control + PARAMETERS, next);
    if (atomic.add<i32>(control + FINISHED, 1) + 1 == count) atomic.notify(control + FINISHED, 1);
  }
}

/**
 * Run `count` (< 2²⁰) chunks of the operation whose parameters are in the control block, on this thread and the workers.
 * Returns 0, or 1 when no chunk was finished for a minute: a worker has died.
 */
export function run(control: usize, operation: i32, count: i32, workers: i32): i32 {
  if (count <= 1 || workers == 0) {
    for (let i = 0; i < count; i++) dispatch(operation, control + PARAMETERS, i);
    return 0;
  }
  store<i32>(control + OPERATION, operation);
  atomic.store<i32>(control + FINISHED, 0);
  generation = (generation + 1) & 0xffffff;
  atomic.store<i64>(control, (generation << 40) | ((<i64>count) << 20));
  atomic.add<i32>(control + SIGNAL, 1);
  atomic.notify(control + SIGNAL, min(workers, count - 1));
  claim(control);
  for (let i = 0; i < SPINS; i++) {
    if (atomic.load<i32>(control + FINISHED) == count) return 0;
  }
  let finished = atomic.load<i32>(control + FINISHED);
  while (finished != count) {
    if (atomic.wait<i32>(control + FINISHED, finished, 60_000_000_000) == 2) return 1;
    finished = atomic.load<i32>(control + FINISHED);
  }
  return 0;
}

/** A worker thread's life: compute chunks, sleep, until told to stop. */
export function work(control: usize): void {
  while (atomic.load<i32>(control + STOP) == 0) {
    const signal = atomic.load<i32>(control + SIGNAL);
    claim(control);
    let isNew = false;
    for (let i = 0; i < SPINS && !isNew; i++) isNew = atomic.load<i32>(control + SIGNAL) != signal;
    if (!isNew) atomic.wait<i32>(control + SIGNAL, signal, -1);
  }
}
