/** Reads the hostile corpus and prints how much memory that took beyond building it; run by `hostile.test.ts` in a process of its own. */
import { hostileCorpus } from './hostile-corpus.ts';
import { decodeNpy } from './npy.ts';
import { parseSafetensors } from './safetensors.ts';
import { readTorchCheckpoint } from './torch.ts';

const peak = (): number => process.resourceUsage().maxRSS * 1024;
const corpus = hostileCorpus('true');
const corpusBytes = peak();
for (const { kind, bytes, name } of corpus) {
  try {
    if (kind === 'safetensors') parseSafetensors(bytes, name);
    else if (kind === 'npy') decodeNpy(bytes, name);
    else for (const tensor of readTorchCheckpoint(bytes, name).tensors.values()) void tensor.data;
  } catch {
    // what it says is the test's business
  }
}
process.stdout.write(JSON.stringify({ corpusBytes, peakBytes: peak() }));
