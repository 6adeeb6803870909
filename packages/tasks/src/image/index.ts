export {
  cocoFiles,
  readCocoDetections,
  readCocoGroundTruth,
  readCocoTask,
  type CocoTask,
  type ReadCocoOptions,
} from './coco.ts';
export * from './detection.ts';
export { imageEvaluation } from './evaluation.ts';
export { readImageFile } from './files.ts';
export { readFolderTask } from './folders.ts';
export { imageGoldens } from './goldens.ts';
export * from './open-image-task.ts';
export * from './validate-image-task.ts';
export { isVocTree, readVocTask, vocFlagsOf, type VocTask } from './voc.ts';
export * from './voc-annotation.ts';
export * from './voc-detections.ts';
