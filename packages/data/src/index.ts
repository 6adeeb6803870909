export * from './build-suite.ts';
export * from './packages.ts';
export type { PretrainEntry } from './pretrain.ts';
export * from './sf3.ts';
export * from './split.ts';
export { suites, suiteTasks } from './suite/index.ts';
export type { EventLabel, SuiteTask } from './task-plan.ts';
export * from './verify-suite.ts';
