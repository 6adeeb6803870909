/** Our side of `torch-read`. */
import { execFileSync } from 'node:child_process';
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
/** What a command that opens one checkpoint pays: memory is fresh, code is cold. Loading this script does not count. */
const first = (): Promise<number> => {
  const own = [...process.execArgv, ...process.argv.slice(1), '--once'];
  return Promise.resolve(Number(execFileSync(process.execPath, own, { encoding: 'utf8' })));
};

if (process.argv.includes('--once')) process.stdout.write(`${await timed(read)}\n`);
else {
  await read();
  await serve(
    { node: process.version, values, peakMB: Math.round(process.resourceUsage().maxRSS / 1024) },
    { first, again: () => timed(read) },
  );
}
