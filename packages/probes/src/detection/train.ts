/**
 * Trains the detection probe for its budget and detects with it. The order of images, which are mirrored and the first weights are
 * functions of the seed; a frozen network sees each image by itself, so that nothing depends on what is held in memory.
 */
import { DataError, type Backbone, type Params, type Rng, type Tensor } from '@unlabel/core';
import {
  adamW,
  clipByGlobalNorm,
  cosine,
  decayExceptVectors,
  disposeParams,
  mergeParams,
  prefixed,
  tf,
  trainableOf,
  valueAndGrads,
  type LossAndLogs,
  type Optimizer,
} from '@unlabel/engine';
import { placesOf, targetsOf, type DetectionTargets, type LabelledBoxes, type Places } from './assign.ts';
import type { DetectionConfig } from './config.ts';
import { decodeDetections, type DetectedBox } from './decode.ts';
import {
  boundedCache,
  levelSource,
  mirrored,
  type DetectionImage,
  type LevelSource,
  type PreparedImage,
} from './images.ts';
import { detectionLosses, type TargetTensors } from './loss.ts';
import { detectionNetwork, type ChannelScale, type DetectionNetwork } from './network.ts';

export interface LabelledImage extends DetectionImage {
  /** Corners [x1, y1, x2, y2] in pixels of the file [M, 4]; what counts neither way is left out. */
  readonly boxes: readonly number[];
  /** [M] */
  readonly labels: readonly number[];
}

export interface DetectorInput {
  /** Of the model, for messages. */
  readonly id: string;
  /** Trained too when the config says so. */
  readonly backbone: Backbone;
  readonly images: readonly LabelledImage[];
  readonly classes: number;
  readonly config: DetectionConfig;
  readonly rng: Rng;
  /** Bytes that maps or images may take between steps. */
  readonly memory: number;
  /** Called with steps done and the loss of the last. */
  readonly onStep?: (done: number, loss: number) => void;
}

export interface FittedDetector {
  /** Boxes in pixels of each file, by falling score. */
  detect(images: readonly DetectionImage[], onImage?: (done: number) => void): Promise<DetectedBox[][]>;
  /** Of the loss and its parts, of each step. */
  readonly losses: readonly number[];
  dispose(): void;
}

/** One image of a batch. */
interface Row {
  /** Maps of each level; absent when the network is trained too. */
  readonly levels: readonly Float32Array[] | undefined;
  readonly input: Float32Array | undefined;
  readonly truth: LabelledBoxes;
}

/** @throws DataError for images without a box, and a loss that is no number; ConfigError for a network without maps */
export async function fitDetector(input: DetectorInput): Promise<FittedDetector> {
  const { id, backbone, images, classes, config, rng, memory } = input;
  if (!images.some(({ labels }) => labels.length > 0))
    throw new DataError(`detection: none of ${images.length} training images has a box to learn from`);
  const source = levelSource(id, backbone, config);
  const isTuned = config.backboneRate > 0;
  const places = placesOf(config);
  const scales = await scalesOf(source, images.slice(0, config.standardizeOn));
  const network = detectionNetwork(scales, classes, config, rng.fork('network'));
  const optimizer = optimizers(network, isTuned ? backbone : undefined, config);
  const trained = optimizer.params;
  const hold = boundedCache<Row>(memory, bytesOf);
  const rowOf = (at: number, isMirrored: boolean): Promise<Row> =>
    hold(`${at}${isMirrored ? 'm' : ''}`, async () => {
      const loaded = await images[at]!.load();
      const image = isMirrored ? mirrored(loaded) : loaded;
      const truth = truthOf(images[at]!, image, isMirrored);
      return isTuned
        ? { levels: undefined, input: image.data, truth }
        : { levels: await source.read(image), input: undefined, truth };
    });
  const losses: number[] = [];
  const orderOf = epochOrder(images.length, rng.fork('order'));
  for (let step = 0; step < config.steps; step++) {
    const rows: Row[] = [];
    for (let b = 0; b < config.batchSize; b++) {
      const position = step * config.batchSize + b;
      rows.push(await rowOf(orderOf(position), rng.fork('mirror').fork(position).chance(0.5)));
    }
    const targets = targetsOf(places, rows.map(({ truth }) => truth), classes, config.centerRadius); // prettier-ignore
    const lossOf = (): LossAndLogs => {
      const levels = isTuned ? source.forward(inputOf(rows, config)) : levelsOf(rows, source, config);
      const parts = detectionLosses(network.forward(levels), tensorsOf(targets, places, classes), config);
      return { loss: tf.addN([parts.classes, parts.boxes, parts.centerness]), logs: {} };
    };
    const { loss, grads, dispose } = valueAndGrads(trained, lossOf);
    const clipped = clipByGlobalNorm(grads, config.clipNorm);
    optimizer.step(clipped.grads, step);
    const [value] = await loss.data();
    tf.dispose([clipped.norm, ...clipped.grads.values()]);
    dispose();
    if (!Number.isFinite(value)) throw new DataError(`${id}: the loss of the detector is ${value} at step ${step}`);
    losses.push(value!);
    input.onStep?.(step + 1, value!);
  }
  optimizer.dispose();
  return {
    losses,
    detect: (tested, onImage) => detectAll(tested, { source, network, places, config }, onImage),
    dispose: () => disposeParams(network.params),
  };
}

/** Each image once an epoch, each epoch in an order of its own. */
function epochOrder(count: number, rng: Rng): (position: number) => number {
  let held: { epoch: number; order: ArrayLike<number> } = { epoch: -1, order: [] };
  return (position) => {
    const epoch = Math.floor(position / count);
    if (held.epoch !== epoch) held = { epoch, order: rng.fork(epoch).permutation(count) };
    return held.order[position % count]!;
  };
}

const bytesOf = ({ levels, input }: Row): number =>
  4 * ((input?.length ?? 0) + (levels ?? []).reduce((sum, level) => sum + level.length, 0));

/** The detector's parameters at the learning rate, the backbone's at a share of it. */
function optimizers(network: DetectionNetwork, backbone: Backbone | undefined, config: DetectionConfig) {
  const { learningRate, warmupSteps, steps, weightDecay, backboneRate } = config;
  const rate = cosine({ peak: learningRate, steps, warmupSteps, warmupStart: learningRate / (warmupSteps + 1) });
  const parts: { readonly optimizer: Optimizer; readonly names: Params; readonly share: number }[] = [];
  const add = (params: Params, share: number): void => {
    const optimizer = adamW(params, { weightDecay, isDecayed: decayExceptVectors });
    parts.push({ optimizer, names: params, share });
  };
  add(prefixed('detector', trainableOf(network.params)), 1);
  if (backbone) add(prefixed('backbone', trainableOf(backbone.params)), backboneRate);
  return {
    params: mergeParams(...parts.map(({ names }) => names)),
    step(grads: ReadonlyMap<string, Tensor>, step: number): void {
      for (const { optimizer, names, share } of parts)
        optimizer.step(new Map([...grads].filter(([name]) => names.has(name))), rate(step) * share);
    },
    dispose(): void {
      for (const { optimizer } of parts) optimizer.dispose();
    },
  };
}

/** Mean and deviation of each channel over all places of some images. */
async function scalesOf(source: LevelSource, images: readonly DetectionImage[]): Promise<ChannelScale[]> {
  const sums = source.widths.map((width) => ({ sum: new Float64Array(width), square: new Float64Array(width), n: 0 }));
  for (const image of images) {
    const levels = await source.read(await image.load());
    levels.forEach((values, level) => {
      const held = sums[level]!;
      const width = held.sum.length;
      values.forEach((value, i) => {
        held.sum[i % width]! += value;
        held.square[i % width]! += value * value;
      });
      held.n += values.length / width;
    });
  }
  return sums.map(({ sum, square, n }) => {
    const mean = Float32Array.from(sum, (total) => total / n);
    const inverse = Float32Array.from(square, (total, c) => {
      const deviation = Math.sqrt(Math.max(0, total / n - (sum[c]! / n) ** 2));
      return deviation > 1e-6 ? 1 / deviation : 0; // a channel that says nothing
    });
    return { mean, inverse };
  });
}

/** Boxes in the network's input, cut to the image; those without area are left out. */
function truthOf({ boxes, labels }: LabelledImage, image: PreparedImage, isMirrored: boolean): LabelledBoxes {
  const kept: number[] = [];
  const classes: number[] = [];
  labels.forEach((label, m) => {
    const x = (value: number): number => Math.min(Math.max(value * image.scaleX, 0), image.width);
    const y = (value: number): number => Math.min(Math.max(value * image.scaleY, 0), image.height);
    const [x1, y1, x2, y2] = [x(boxes[4 * m]!), y(boxes[4 * m + 1]!), x(boxes[4 * m + 2]!), y(boxes[4 * m + 3]!)];
    if (!(x2 > x1 && y2 > y1)) return;
    kept.push(...(isMirrored ? [image.width - x2, y1, image.width - x1, y2] : [x1, y1, x2, y2]));
    classes.push(label);
  });
  return { boxes: kept, classes };
}

function joined(arrays: readonly Float32Array[], shape: readonly number[]): Tensor {
  const size = arrays[0]!.length;
  const data = new Float32Array(arrays.length * size);
  arrays.forEach((array, i) => data.set(array, i * size));
  return tf.tensor(data, [arrays.length, ...shape]);
}

const inputOf = (rows: readonly Row[], { imageSize }: DetectionConfig): Tensor =>
  joined(rows.map(({ input }) => input!), [imageSize, imageSize, 3]); // prettier-ignore

const levelsOf = (rows: readonly Pick<Row, 'levels'>[], { widths }: LevelSource, config: DetectionConfig): Tensor[] =>
  widths.map((width, i) => {
    const side = config.imageSize / config.strides[i]!;
    return joined(rows.map(({ levels }) => levels![i]!), [side, side, width]); // prettier-ignore
  });

function tensorsOf(targets: DetectionTargets, places: Places, classes: number): TargetTensors {
  const rows = targets.isObject.length;
  const centers = new Float32Array(rows * 4);
  for (let i = 0; i < rows; i++) {
    const [x, y] = [places.x[i % places.count]!, places.y[i % places.count]!];
    centers.set([x, y, x, y], 4 * i);
  }
  return {
    classes: tf.tensor(targets.classes, [rows, classes]),
    boxes: tf.tensor(targets.boxes, [rows, 4]),
    centerness: tf.tensor(targets.centerness, [rows]),
    isObject: tf.tensor(targets.isObject, [rows]),
    centers: tf.tensor(centers, [rows, 4]),
    objects: targets.objects,
  };
}

interface Fitted {
  readonly source: LevelSource;
  readonly network: DetectionNetwork;
  readonly places: Places;
  readonly config: DetectionConfig;
}

async function detectAll(
  images: readonly DetectionImage[],
  { source, network, places, config }: Fitted,
  onImage?: (done: number) => void,
): Promise<DetectedBox[][]> {
  const found: DetectedBox[][] = [];
  for (const image of images) {
    const prepared = await image.load();
    const levels = await source.read(prepared);
    const outputs = tf.tidy(() => {
      const { classes, distances, centerness } = network.forward(levelsOf([{ levels }], source, config));
      return [classes, distances, centerness];
    });
    const arrays = await Promise.all(outputs.map((output) => output.data() as Promise<Float32Array>));
    const [logits, distances, centerness] = arrays as [Float32Array, Float32Array, Float32Array];
    tf.dispose(outputs);
    const boxes = decodeDetections({ logits, distances, centerness }, places, prepared, config);
    found.push(boxes.map(({ box, ...rest }) => ({ box: inFile(box, prepared), ...rest })));
    onImage?.(found.length);
  }
  return found;
}

const inFile = (
  [x1, y1, x2, y2]: DetectedBox['box'],
  { scaleX, scaleY }: PreparedImage,
): [number, number, number, number] => [x1 / scaleX, y1 / scaleY, x2 / scaleX, y2 / scaleY];
