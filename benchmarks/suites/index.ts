/** The benchmarks by name. */
import type { Suite } from '../lib/measure.ts';
import { cocoEval } from './coco-eval.ts';
import { deloresEmbed, deloresStep, wasmRatio } from './delores.ts';
import { download } from './download.ts';
import { eventMetrics } from './event-metrics.ts';
import { frontEnd } from './front-end.ts';
import { predictor } from './predictor.ts';
import { probe } from './probe.ts';
import { imageViews, resnet50 } from './resnet.ts';
import { startup } from './startup.ts';
import { torchRead } from './torch-read.ts';
import { atstStep, beatsEmbed, beatsStep, beatsStepDropout } from './transformer.ts';
import { vocSvm } from './voc-svm.ts';

export const suites: readonly Suite[] = [
  atstStep,
  beatsEmbed,
  beatsStep,
  beatsStepDropout,
  cocoEval,
  deloresStep,
  deloresEmbed,
  download,
  eventMetrics,
  frontEnd,
  imageViews,
  predictor,
  probe,
  resnet50,
  startup,
  wasmRatio,
  torchRead,
  vocSvm,
];
