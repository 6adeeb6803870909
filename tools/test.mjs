/**
 * `npm test`: installs what is missing, runs every test (arguments go to vitest), ends with a plain line of counts.
 * `npm run test:slow` runs the `*.slow.test.ts` files instead.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { condition, ensureInstalled, runNode } from './lib/bootstrap.mjs';

await ensureInstalled();
const folder = mkdtempSync(join(tmpdir(), 'unlabel-test-'));
const countsFile = join(folder, 'counts');
const args = process.argv.slice(2).filter((argument) => argument !== '--slow');
const isSlow = process.argv.includes('--slow');
const status = await runNode([condition, 'node_modules/vitest/vitest.mjs', 'run', ...args], {
  env: { UNLABEL_TEST_COUNTS: countsFile, ...(isSlow && { UNLABEL_SLOW_TESTS: '1' }) },
});
// No counts: vitest did not get as far as running tests, which is a failure of its own.
const counts = existsSync(countsFile) ? readFileSync(countsFile, 'utf8') : '0 passed, 1 failed, 0 skipped';
rmSync(folder, { recursive: true, force: true });
process.stdout.write(`${counts}\n`);
process.exitCode = status;
