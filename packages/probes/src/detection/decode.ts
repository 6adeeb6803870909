/**
 * From what the head says at each place to detections of an image: scores above a threshold, the best of each level, boxes inside
 * the image, NMS by class; as torchvision.models.detection.fcos 0.29.
 *
 * Legend: L places, K classes.
 */
import type { Places } from './assign.ts';
import type { DetectionConfig } from './config.ts';
import { nms } from './nms.ts';

/** What the head says of one image. */
export interface HeadOutput {
  /** [L, K] */
  readonly logits: ArrayLike<number>;
  /** Distances to the left, upper, right, lower side, in pixels [L, 4]. */
  readonly distances: ArrayLike<number>;
  /** Logits [L]. */
  readonly centerness: ArrayLike<number>;
}

export interface DetectedBox {
  /** [x1, y1, x2, y2] in pixels of the network's input. */
  readonly box: readonly [number, number, number, number];
  readonly label: number;
  /** √(class · centerness). */
  readonly score: number;
}

type DecodeConfig = Pick<DetectionConfig, 'scoreThreshold' | 'candidates' | 'nmsIou' | 'detections'>;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * Detections by falling score.
 * @param size pixels of the image in the network's input, at its upper left
 */
export function decodeDetections(
  output: HeadOutput,
  places: Places,
  size: { readonly width: number; readonly height: number },
  config: DecodeConfig,
): DetectedBox[] {
  const classes = output.logits.length / places.count;
  const found: DetectedBox[] = [];
  let from = 0;
  for (const count of places.perLevel) {
    const level: { readonly score: number; readonly at: number }[] = [];
    for (let i = from; i < from + count; i++) {
      const centerness = sigmoid(output.centerness[i]!);
      for (let k = 0; k < classes; k++) {
        const score = Math.sqrt(sigmoid(output.logits[i * classes + k]!) * centerness);
        if (score > config.scoreThreshold) level.push({ score, at: i * classes + k });
      }
    }
    level.sort((a, b) => b.score - a.score || a.at - b.at);
    for (const { score, at } of level.slice(0, config.candidates)) {
      const i = Math.floor(at / classes);
      found.push({ box: boxAt(output.distances, places, i, size), label: at % classes, score });
    }
    from += count;
  }
  const kept = nms(
    {
      boxes: found.flatMap(({ box }) => [...box]),
      scores: found.map(({ score }) => score),
      classes: found.map(({ label }) => label),
    },
    { iouThreshold: config.nmsIou, limit: config.detections },
  );
  return kept.map((i) => found[i]!);
}

/** The place's center and its distances to the sides, cut to the image. */
function boxAt(
  distances: ArrayLike<number>,
  { x, y }: Places,
  i: number,
  { width, height }: { readonly width: number; readonly height: number },
): [number, number, number, number] {
  const side = (at: number, sign: number, end: number): number => {
    const from = at % 2 === 0 ? x[i]! : y[i]!;
    return Math.min(Math.max(from + sign * distances[4 * i + at]!, 0), end);
  };
  return [side(0, -1, width), side(1, -1, height), side(2, 1, width), side(3, 1, height)];
}
