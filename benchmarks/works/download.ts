/** Both sides of `download`; the server is a process of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadFile } from '@unlabel/formats';
import { serve, timed } from '../lib/serve.ts';

const [, , folder = '', mode = 'ours'] = process.argv;
const source = join(folder, 'file');
const target = join(folder, `loaded-${mode}`);
const script = `
const { createReadStream, statSync } = require('node:fs');
const size = statSync(process.argv[1]).size;
const server = require('node:http').createServer((_, response) => {
  response.writeHead(200, { 'content-length': size, etag: '"1"' });
  createReadStream(process.argv[1], { highWaterMark: 1 << 20 }).pipe(response);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();`;
const server = spawn(process.execPath, ['-e', script, source], { stdio: ['pipe', 'pipe', 'inherit'] });
const [line] = (await once(server.stdout, 'data')) as [Buffer];
const url = `http://127.0.0.1:${String(line).trim()}/file`;
process.env['NO_PROXY'] = process.env['no_proxy'] = '*';

const load = async (): Promise<void> => {
  if (mode === 'ours') await downloadFile({ urls: [url], file: target });
  else {
    execFileSync('curl', ['-s', '-f', '-o', target, url]);
    if (mode === 'curl-sha256sum') execFileSync('sha256sum', [target]);
  }
};

await serve(
  {
    node: process.version,
    curl: mode === 'ours' ? undefined : execFileSync('curl', ['--version']).toString().split(' ')[1],
  },
  {
    load: async () => {
      await rm(target, { force: true });
      const seconds = await timed(load);
      await rm(target, { force: true });
      return seconds;
    },
  },
);
server.stdin.end();
