export { knnGoldens } from './goldens.ts';
export * from './knn.ts';
