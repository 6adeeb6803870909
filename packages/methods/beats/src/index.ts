export { beats, beats as default, beatsStages } from './beats.ts';
export { checkpoints } from './checkpoints.ts';
export { fineTune } from './fine-tune.ts';
export { maskedPrediction } from './masked-prediction.ts';
export { randomProjection, type Tokenizer } from './random-projection.ts';
export { tokenizerDistillation } from './tokenizer.ts';
