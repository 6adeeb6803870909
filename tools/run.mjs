/** `node tools/run.mjs FILE.ts …`: installs what is missing, then runs one of the project's TypeScript files. */
import { resolve } from 'node:path';
import { condition, ensureInstalled, fail, root, runNode } from './lib/bootstrap.mjs';

const [file, ...args] = process.argv.slice(2);
if (file === undefined) fail('usage: node tools/run.mjs FILE.ts [arguments]');
await ensureInstalled();
// npm changes to the project's folder; relative paths on the command line are meant from where the user stands.
process.exitCode = await runNode([condition, resolve(root, file), ...args], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
