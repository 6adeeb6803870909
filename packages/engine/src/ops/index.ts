export { adamWUpdate, type AdamWUpdateOptions } from './adamw.ts';
export {
  attention,
  attentionWeights,
  joinHeads,
  splitHeads,
  type AttentionCall,
  type AttentionInputs,
} from './attention.ts';
export {
  batchNormAddRelu,
  batchNormReluPool,
  batchNormTrain,
  type BatchNormOptions,
  type BatchNormResult,
} from './batch-norm.ts';
export { convBias, type ConvBiasOptions } from './conv-bias.ts';
export {
  affineReluPool,
  convStageEval,
  convStageTrain,
  type ConvStageStatistics,
  type ConvStageWeights,
} from './conv-stage.ts';
export { crossEntropy } from './cross-entropy.ts';
export { dense, type DenseOptions } from './dense.ts';
export { dropout, dropoutMask } from './dropout.ts';
export { ema } from './ema.ts';
export { gelu, type GeluKind } from './gelu.ts';
export { addLayerNorm, layerNorm, type LayerNormOptions } from './layer-norm.ts';
export { maxPool, type MaxPoolOptions } from './max-pool.ts';
export { maxMeanTime } from './max-mean-time.ts';
export { zerosAround, type Padding } from './padding.ts';
export { plus, scaleRows } from './plus.ts';
export { reluGradient } from './relu.ts';
export { sparseDense } from './sparse-dense.ts';
export { sgdMomentum, type SgdMomentumOptions } from './sgd-momentum.ts';
