export { detectionConfigSchema, detectionProtocols, isDetectionProtocol, type DetectionConfig } from './config.ts';
export type { DetectedBox } from './decode.ts';
export type { DetectionImage, PreparedImage } from './images.ts';
export { nms, type NmsOptions, type ScoredBoxes } from './nms.ts';
export * from './score.ts';
export { fitDetector, type DetectorInput, type FittedDetector, type LabelledImage } from './train.ts';
