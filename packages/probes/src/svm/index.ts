export { stratifiedFolds } from './folds.ts';
export { svmGoldens } from './goldens.ts';
export * from './low-shot.ts';
export * from './voc-svm.ts';
