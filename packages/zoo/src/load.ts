/** A checkpoint as a library uses it: `load`, `embed`, `dispose`. */
import { resample } from '@unlabel/audio';
import { ConfigError, type ModelConfig } from '@unlabel/core';
import { useEngine, type EngineOptions } from '@unlabel/engine';
import { resolveCheckpoint } from './find.ts';
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
  /** Hz it hears. */
  readonly sampleRate: number;
  /** Values of one embedding. */
  readonly embeddingSize: number;
  /** Mono samples in −1…1 → one vector [embeddingSize]; a list of clips → a vector each. */
  embed(samples: Float32Array, options: EmbedOptions): Promise<Float32Array>;
  embed(samples: readonly Float32Array[], options: EmbedOptions): Promise<Float32Array[]>;
  /** A vector for each frame of one clip. */
  embedFrames(samples: Float32Array, options: EmbedOptions): Promise<Frames>;
  /** Frees the network. */
  dispose(): void;
}

/**
 * Opens a checkpoint: a folder, an id that ships with the project, or one that was pulled.
 * @throws ConfigError for an id that is nowhere, CheckpointError for a folder that is not whole
 */
export async function load(idOrDir: string, { engine = {} }: LoadOptions = {}): Promise<LoadedCheckpoint> {
  const dir = resolveCheckpoint(idOrDir);
  await useEngine(engine);
  const loaded = await loadModelDir(dir);
  const embedder = networkEmbedder({ ...loaded, id: idOrDir, source: idOrDir });
  let isOpen = true;
  const prepared = (samples: Float32Array, { sampleRate }: EmbedOptions): Float32Array => {
    if (!isOpen) throw new ConfigError(`${idOrDir}: was disposed; load it again`);
    if (!(samples.length > 0)) throw new ConfigError(`${idOrDir}: expected samples, found none`);
    if (!(sampleRate > 0)) throw new ConfigError(`${idOrDir}: expected the samples' rate in Hz, found ${sampleRate}`);
    return resample(samples, sampleRate, embedder.sampleRate);
  };
  const width = embedder.sceneEmbeddingSize;
  async function embed(samples: Float32Array, options: EmbedOptions): Promise<Float32Array>;
  async function embed(samples: readonly Float32Array[], options: EmbedOptions): Promise<Float32Array[]>;
  async function embed(
    samples: Float32Array | readonly Float32Array[],
    options: EmbedOptions,
  ): Promise<Float32Array | Float32Array[]> {
    const clips = samples instanceof Float32Array ? [samples] : samples;
    const values = await embedder.embedScenes(clips.map((clip) => prepared(clip, options)));
    const rows = clips.map((_, i) => values.slice(i * width, (i + 1) * width));
    return samples instanceof Float32Array ? rows[0]! : rows;
  }
  return {
    id: idOrDir,
    config: loaded.config,
    sampleRate: embedder.sampleRate,
    embeddingSize: width,
    embed,
    async embedFrames(samples, options) {
      const size = embedder.timestampEmbeddingSize;
      if (size === 0) throw new ConfigError(`${idOrDir}: gives no embeddings of frames`);
      return { ...(await embedder.embedTimestamps!(prepared(samples, options))), size };
    },
    dispose() {
      if (isOpen) embedder.dispose?.();
      isOpen = false;
    },
  };
}
