/** `npm start`: installs what is missing, then the quickstart of the harness. `npm start -- --help` says what it takes. */
import { condition, ensureInstalled, runNode } from './lib/bootstrap.mjs';

await ensureInstalled();
process.exitCode = await runNode([condition, 'apps/harness/src/cli.ts', 'quickstart', ...process.argv.slice(2)]);
