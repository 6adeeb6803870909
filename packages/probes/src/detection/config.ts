/**
 * The detection probe, `detect/v1`: a small one-stage detector on a frozen network's maps, the same and trained equally long for every
 * network. It is this project's own protocol; the papers' is Faster or Mask R-CNN, fine-tuned for many epochs.
 *
 * After Tian, Shen, Chen, He, "FCOS: Fully Convolutional One-Stage Object Detection", ICCV 2019, arXiv 1904.01355v5, with center
 * sampling and the score √(class · centerness) of its later version (arXiv 2006.09214v3), as torchvision.models.detection.fcos 0.29.
 */
import { z } from 'zod';

const positive = z.number().positive();

/** All constants of the probe. A change of any is another protocol. */
export const detectionConfigSchema = z.strictObject({
  /** Images are resized so that their longer side has so many pixels, and filled up to a square at the right and below. */
  imageSize: z.int().multipleOf(32).min(32).max(2048).default(256),
  /** Pixels between the places of each level of the pyramid, each twice the one before. */
  strides: z
    .array(z.int().positive())
    .min(1)
    .default([8, 16, 32])
    .refine((s) => s.every((x, i) => i === 0 || x === 2 * s[i - 1]!), 'each stride is twice the one before'),
  /**
   * A place is trained on boxes whose farthest side is more than `lower` and less than `upper` strides away; the first level has no
   * lower, the last no upper end. torchvision's 4 and 8 leave small images to one level.
   */
  range: z.strictObject({ lower: positive, upper: positive }).default({ lower: 2, upper: 4 }),
  /** Strides from the center of a box within which places are trained on it. */
  centerRadius: positive.default(1.5),
  /** Of the pyramid and the head; the paper's are 256. */
  channels: z.int().multipleOf(8).default(64),
  /** 3×3 convolutions with group norm before each output; the paper has 4. */
  convolutions: z.int().min(0).default(1),
  /** First probability of every class at every place (Lin et al., arXiv 1708.02002v2, §4.1). */
  prior: positive.lt(1).default(0.01),
  focalAlpha: positive.lt(1).default(0.25),
  focalGamma: positive.default(2),
  /** Training images whose maps' means and deviations standardise each channel. */
  standardizeOn: z.int().positive().default(64),
  /** The budget: steps of batches of so many images, half of them mirrored. */
  steps: z.int().positive().default(400),
  batchSize: z.int().positive().default(8),
  /** AdamW, warmed up over `warmupSteps`, half a cosine to 0. */
  learningRate: positive.default(2e-3),
  warmupSteps: z.int().min(0).default(50),
  weightDecay: z.number().min(0).default(1e-4),
  /** The largest norm of all gradients together. */
  clipNorm: positive.default(10),
  /** Train the network too, its running statistics left as they are, at so many times the learning rate; 0 leaves it frozen. */
  backboneRate: z.number().min(0).default(0),
  scoreThreshold: z.number().min(0).lt(1).default(0.05),
  /** Best scores of a level that are looked at. */
  candidates: z.int().positive().default(1000),
  nmsIou: positive.max(1).default(0.6),
  /** Most detections of an image. */
  detections: z.int().positive().default(100),
});
export type DetectionConfig = z.output<typeof detectionConfigSchema>;

/** The probes by protocol id. */
export const detectionProtocols: Readonly<
  Record<string, { readonly title: string; readonly config: DetectionConfig }>
> = {
  'detect/v1': {
    title: 'Boxes: a small FCOS detector trained for a fixed budget on frozen maps; COCOeval or VOC AP',
    config: detectionConfigSchema.parse({}),
  },
  'detect-tuned/v1': {
    title: 'Boxes: the same detector, the network fine-tuned with it at a tenth of the rate',
    config: detectionConfigSchema.parse({ backboneRate: 0.1 }),
  },
};

export const isDetectionProtocol = (id: string): boolean => Object.hasOwn(detectionProtocols, id);
