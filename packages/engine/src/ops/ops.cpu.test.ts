import { describeOps } from './ops.test-suite.ts';

describeOps('cpu');
