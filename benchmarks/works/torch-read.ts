/** Our side of `torch-read`. */
import { join } from 'node:path';
import { openContainer } from '@unlabel/zoo';
import { serve, timed } from '../lib/serve.ts';

const path = join(process.argv[2]!, 'model.pt');
let values = 0;
const read = async (): Promise<void> => {
  const container = await openContainer(path);
  values = 0;
  for (const tensor of container.tensors.values()) values += (await tensor.read()).data.length;
  await container.close();
};
await read();
await serve(
  { node: process.version, values, peakMB: Math.round(process.resourceUsage().maxRSS / 1024) },
  { read: () => timed(read) },
);
