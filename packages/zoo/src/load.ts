/** A checkpoint as a library uses it: `load`, `embed`, `dispose`. */
import { resample } from '@unlabel/audio';
import { ConfigError, type CropPolicy, type Embedder, type ImageEmbedder, type ModelConfig } from '@unlabel/core';
import { useEngine, type EngineOptions } from '@unlabel/engine';
import { decodeImage, type RgbImage } from '@unlabel/image';
import { resolveCheckpoint } from './find.ts';
import { imageEmbedder } from './image-embedder.ts';
import { loadModelDir } from './model-dir.ts';
import { networkEmbedder } from './network-embedder.ts';

export interface LoadOptions {
  /** Engine, threads, precision; default the best that is installed. */
  readonly engine?: EngineOptions;
}

export interface EmbedOptions {
  /** Hz of the samples; they are resampled to the model's. */
  readonly sampleRate: number;
}

export interface EmbedImageOptions {
  /** What becomes of an image that is no square. Default `center`: its middle. */
  readonly crop?: CropPolicy;
}

/** 8-bit RGB pixels [height, width, 3], or a file: its pixels as stored, whatever EXIF says of the camera. */
export type ImageSource = RgbImage | string;

export interface Frames {
  /** [T, size] row-major. */
  readonly embeddings: Float32Array;
  /** Frame centres, ms [T]. */
  readonly timestamps: Float32Array;
  readonly size: number;
}

export interface LoadedCheckpoint {
  readonly id: string;
  readonly config: ModelConfig;
  readonly modality: 'audio' | 'image';
  /** Hz it hears; 0 for images. */
  readonly sampleRate: number;
  /** Values of one embedding. */
  readonly embeddingSize: number;
  /** Of a model of sounds: mono samples in −1…1 → one vector [embeddingSize]; a list of clips → a vector each. */
  embed(samples: Float32Array, options: EmbedOptions): Promise<Float32Array>;
  embed(samples: readonly Float32Array[], options: EmbedOptions): Promise<Float32Array[]>;
  /**
   * Of a model of images: an image of any size → one vector [embeddingSize]; a list → a vector each. Sizing, cutting and normalising
   * are the model's.
   */
  embed(image: ImageSource, options?: EmbedImageOptions): Promise<Float32Array>;
  embed(images: readonly ImageSource[], options?: EmbedImageOptions): Promise<Float32Array[]>;
  /** A vector for each frame of one clip. */
  embedFrames(samples: Float32Array, options: EmbedOptions): Promise<Frames>;
  /** Frees the network. */
  dispose(): void;
}

type Input = Float32Array | ImageSource;

/**
 * Opens a checkpoint: a folder, an id that ships with the project, or one that was pulled.
 * @throws ConfigError for an id that is nowhere, CheckpointError for a folder that is not whole; `embed` throws ConfigError for what the
 * model does not take, and DataError for a file that is no image
 */
export async function load(idOrDir: string, { engine = {} }: LoadOptions = {}): Promise<LoadedCheckpoint> {
  const dir = resolveCheckpoint(idOrDir);
  await useEngine(engine);
  const loaded = await loadModelDir(dir);
  const network = { ...loaded, id: idOrDir, source: idOrDir };
  const isImage = loaded.config.input['modality'] === 'image';
  const model = isImage ? imageModel(imageEmbedder(network)) : soundModel(networkEmbedder(network));
  let isOpen = true;
  const checkOpen = (): void => {
    if (!isOpen) throw new ConfigError(`${idOrDir}: was disposed; load it again`);
  };
  const embed = async (
    input: Input | readonly Input[],
    options: Partial<EmbedOptions> & EmbedImageOptions = {},
  ): Promise<Float32Array | Float32Array[]> => {
    checkOpen();
    const isList = Array.isArray(input);
    const inputs = (isList ? input : [input]) as readonly Input[];
    const values = await model.embed(inputs, options);
    const rows = inputs.map((_, i) => values.slice(i * model.size, (i + 1) * model.size));
    return isList ? rows : rows[0]!;
  };
  return {
    id: idOrDir,
    config: loaded.config,
    modality: isImage ? 'image' : 'audio',
    sampleRate: model.sampleRate,
    embeddingSize: model.size,
    embed: embed as LoadedCheckpoint['embed'],
    async embedFrames(samples, options) {
      checkOpen();
      return model.embedFrames(samples, options);
    },
    dispose() {
      if (isOpen) model.dispose();
      isOpen = false;
    },
  };
}

/** What differs between models of sounds and of images. */
interface OpenedModel {
  readonly size: number;
  readonly sampleRate: number;
  /** [n, size] row-major. */
  embed(inputs: readonly Input[], options: Partial<EmbedOptions> & EmbedImageOptions): Promise<Float32Array>;
  embedFrames(samples: Float32Array, options: EmbedOptions): Promise<Frames>;
  dispose(): void;
}

function soundModel(embedder: Embedder): OpenedModel {
  const { id } = embedder;
  const prepared = (samples: Input, { sampleRate }: Partial<EmbedOptions>): Float32Array => {
    if (!(samples instanceof Float32Array))
      throw new ConfigError(`${id}: takes sounds; expected mono samples as a Float32Array, found ${nameOf(samples)}`);
    if (!(samples.length > 0)) throw new ConfigError(`${id}: expected samples, found none`);
    if (sampleRate === undefined || !(sampleRate > 0))
      throw new ConfigError(`${id}: expected the samples' rate in Hz, found ${sampleRate}`);
    return resample(samples, sampleRate, embedder.sampleRate);
  };
  return {
    size: embedder.sceneEmbeddingSize,
    sampleRate: embedder.sampleRate,
    embed: async (inputs, options) => embedder.embedScenes(inputs.map((clip) => prepared(clip, options))),
    async embedFrames(samples, options) {
      const size = embedder.timestampEmbeddingSize;
      if (size === 0) throw new ConfigError(`${id}: gives no embeddings of frames`);
      return { ...(await embedder.embedTimestamps!(prepared(samples, options))), size };
    },
    dispose: () => embedder.dispose?.(),
  };
}

function imageModel(embedder: ImageEmbedder): OpenedModel {
  const { id } = embedder;
  const pixelsOf = async (image: Input): Promise<RgbImage> => {
    if (typeof image === 'string') return decodeImage(image, { orientation: 'ignored' });
    if (image instanceof Float32Array)
      throw new ConfigError(
        `${id}: takes images; expected a file or RGB pixels { width, height, data }, found samples`,
      );
    const { width, height, data } = image;
    const isWhole = Number.isInteger(width) && width > 0 && Number.isInteger(height) && height > 0;
    if (!isWhole || !(data instanceof Uint8Array) || data.length !== width * height * 3)
      throw new ConfigError(
        `${id}: expected RGB pixels, ${width} × ${height} × 3 bytes in a Uint8Array; found ${nameOf(data)}`,
      );
    return image;
  };
  return {
    size: embedder.embeddingSize,
    sampleRate: 0,
    async embed(inputs, { crop = 'center' }) {
      const images: RgbImage[] = [];
      for (const input of inputs) images.push(await pixelsOf(input));
      return embedder.embedImages(images, crop);
    },
    embedFrames: () => Promise.reject(new ConfigError(`${id}: takes images, which have no frames`)),
    dispose: () => embedder.dispose?.(),
  };
}

/** `Uint8Array of 12`, `object`, `file`. */
const nameOf = (value: unknown): string =>
  ArrayBuffer.isView(value)
    ? `${value.constructor.name} of ${(value as Uint8Array).length}`
    : typeof value === 'string'
      ? 'a file'
      : value === undefined
        ? 'nothing'
        : 'pixels';
