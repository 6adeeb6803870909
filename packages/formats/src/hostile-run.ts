/**
 * Reads the hostile corpus and prints, for the case that took most, how far memory rose while it was read; run by `hostile.test.ts`
 * in a process of its own with `--expose-gc`, so that what an earlier case left behind is not counted with a later one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { hostileCorpus } from './hostile-corpus.ts';
import { decodeNpy } from './npy.ts';
import { parseSafetensors } from './safetensors.ts';
import { readTorchCheckpoint } from './torch.ts';

/** The peak resident size starts anew where the system can do that (Linux); elsewhere it stays that of the whole process. */
const resetPeak = (): void => {
  try {
    writeFileSync('/proc/self/clear_refs', '5', { flag: 'r+' });
  } catch {
    // another system: a case then shows only where it rises above every one before it
  }
};

/** Peak resident size in bytes since `resetPeak`. */
const peak = (): number => {
  let kilobytes: string | undefined;
  try {
    kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  } catch {
    // another system
  }
  return 1024 * Number(kilobytes ?? process.resourceUsage().maxRSS);
};

let worst = { name: '', bytes: 0 };
let read = 0;
for (const { kind, bytes, name } of hostileCorpus('true')) {
  globalThis.gc?.();
  resetPeak();
  const before = peak();
  try {
    if (kind === 'safetensors') parseSafetensors(bytes, name);
    else if (kind === 'npy') decodeNpy(bytes, name);
    else for (const tensor of readTorchCheckpoint(bytes, name).tensors.values()) void tensor.data;
  } catch {
    // what it says is the test's business
  }
  read++;
  const rise = peak() - before;
  if (rise > worst.bytes) worst = { name, bytes: rise };
}
process.stdout.write(JSON.stringify({ read, worst }));
