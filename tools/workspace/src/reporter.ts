/**
 * A vitest reporter whose whole output is the line `N passed, N failed, N skipped`. `npm test` asks for it in a file, so
 * that it can print it last; otherwise it goes to stdout.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A module that could not be loaded, and an error outside any test, count as one failure each. */
export function countTests(modules: readonly TestModule[], unhandled: readonly SerializedError[]): Counts {
  const counts: Counts = { passed: 0, failed: unhandled.length, skipped: 0 };
  for (const module of modules) {
    counts.failed += module.errors().length;
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed++;
      else if (state === 'failed') counts.failed++;
      else counts.skipped++;
    }
  }
  return counts;
}

export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const { passed, failed, skipped } = countTests(modules, unhandled);
    const line = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    const file = process.env['UNLABEL_TEST_COUNTS'];
    if (file) writeFileSync(file, line);
    else process.stdout.write(`${line}\n`);
  }
}
