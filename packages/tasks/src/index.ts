export * from './find-tasks.ts';
export * from './folds.ts';
export { hearTasks, writeHearTask, type HearSuiteOptions, type HearTask } from './hear-suite.ts';
export { importArchive, importedBefore, type Imported, type ImportOptions } from './import-archive.ts';
export * from './image/index.ts';
export * from './open-task.ts';
export { nearestRate, type OpenedTask } from './read-task.ts';
export * from './validate-task.ts';
