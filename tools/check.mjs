/** `npm run check`: format, lint, types, tests, in that order; all of them run, and the exit status says whether all passed. */
import { ensureInstalled, runNode } from './lib/bootstrap.mjs';

const steps = [
  { name: 'format', args: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'] },
  { name: 'lint', args: ['node_modules/oxlint/bin/oxlint', '--type-aware', '--quiet'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-b'] },
  { name: 'tests', args: ['tools/test.mjs'] },
];

await ensureInstalled();
const only = process.argv.slice(2);
let failed = 0;
for (const { name, args } of steps) {
  if (only.length > 0 && !only.includes(name)) continue;
  const started = performance.now();
  const status = await runNode(args);
  if (status !== 0) failed++;
  process.stderr.write(
    `${status === 0 ? 'ok  ' : 'FAIL'}  ${name}  ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
  );
}
process.exitCode = failed === 0 ? 0 : 1;
