/**
 * Anything that turns audio into vectors: the HEAR API's three functions and attributes (protocols/hear.md §4), under our
 * names. Our checkpoints, baselines, random networks and foreign models all meet it.
 */
export interface Embedder {
  /** Shown on the board: `delores-s`, `logmel-stats`. */
  readonly id: string;
  /** Method or family behind it, for the board's `method` column. */
  readonly method: string;
  /** Hash of weights and front-end: embeddings made with another value are never reused. */
  readonly fingerprint: string;
  /** Hz the audio must have. */
  readonly sampleRate: number;
  readonly sceneEmbeddingSize: number;
  /** 0 when the model has none. */
  readonly timestampEmbeddingSize: number;
  /** Number of parameters of the kept network; 0 for statistics. */
  readonly params: number;
  /** Where it comes from: run directory, checkpoint id, `built in`. */
  readonly source: string;
  /** Mono clips in −1…1, any lengths → one row a clip [n, sceneEmbeddingSize]. */
  embedScenes(audio: readonly Float32Array[]): Promise<Float32Array>;
  /** One clip → frame vectors [T, timestampEmbeddingSize] and frame centres in ms [T]. */
  embedTimestamps?(audio: Float32Array): Promise<{ embeddings: Float32Array; timestamps: Float32Array }>;
  /** Bytes that one call may take beside its arguments and results; networks cut batches, and long clips where exact, to it. */
  setMemory?(bytes: number): void;
  /** Bytes that one clip of so many samples takes in one pass, for estimates. */
  memoryOf?(samples: number): Promise<number>;
  /** Frees the engine's memory. */
  dispose?(): void;
}

/** 8-bit RGB, [height, width, 3] row-major. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * What becomes of an image that is no square: its middle is cut out (`center`, torchvision's and DINO's evaluation), or all of it is
 * squeezed into one (`stretch`, VISSL's VOC07).
 */
export type CropPolicy = 'center' | 'stretch';

/** Anything that turns images into vectors. */
export interface ImageEmbedder extends Pick<Embedder, 'id' | 'method' | 'fingerprint' | 'params' | 'source'> {
  readonly embeddingSize: number;
  /** Images of any sizes → one row an image [n, embeddingSize]; rows do not depend on what they come with. */
  embedImages(images: readonly Pixels[], crop: CropPolicy): Promise<Float32Array>;
  /** Instead, where embeddings made elsewhere are looked up by the images' files. */
  embedFiles?(paths: readonly string[]): Promise<Float32Array>;
  /** Bytes that one call may take beside its arguments and results. */
  setMemory?(bytes: number): void;
  dispose?(): void;
}
