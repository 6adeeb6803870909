export * from './coco-data.ts';
export * from './coco-eval.ts';
export * from './coco-params.ts';
export { detectionGoldens } from './goldens.ts';
export * from './iou.ts';
export * from './polygon.ts';
export * from './rle.ts';
export * from './segmentation.ts';
