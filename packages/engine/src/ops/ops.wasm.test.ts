import { describeOps } from './ops.test-suite.ts';

describeOps('wasm');
