/** The self-test's child process: `node self-test-main.ts BINDING`. */
import { selfTestMain } from './self-test.ts';

selfTestMain(process.argv[2]);
