/** Models without training that every board needs beside the trained ones (hear.md §8, last remark). */
import { createFrontEnd, frontEndSchema } from '@unlabel/audio';
import { type Embedder, type NdArray } from '@unlabel/core';

/** Versioned by hand: bump when the numbers change, so that old embeddings are not reused. */
const revision = 'v1';

const frontEnds = {
  /** 64 HTK bands, 60–7800 Hz, hop 10 ms, natural log. */
  'logmel-stats': { kind: 'log-mel', sampleRate: 16000, nFft: 1024, hopLength: 160, nMels: 64, fMin: 60, fMax: 7800 },
  /** 40 coefficients of 64 bands, dB, orthonormal DCT-II. */
  'mfcc-stats': { kind: 'mfcc', sampleRate: 16000, nMfcc: 40, nFft: 1024, hopLength: 160, nMels: 64 },
} as const;

export type BaselineId = keyof typeof frontEnds;
export const baselineIds = Object.keys(frontEnds) as BaselineId[];

/** Mean and standard deviation over time of each band or coefficient. */
export function statisticsBaseline(id: BaselineId): Embedder {
  const frontEnd = createFrontEnd(frontEndSchema.parse(frontEnds[id]));
  return {
    id,
    method: id,
    fingerprint: `${id}-${revision}`,
    sampleRate: frontEnd.sampleRate,
    sceneEmbeddingSize: 2 * frontEnd.bands,
    timestampEmbeddingSize: frontEnd.bands,
    params: 0,
    source: 'built in',
    embedScenes(clips) {
      const out = new Float32Array(clips.length * 2 * frontEnd.bands);
      clips.forEach((audio, i) => out.set(meanAndStd(frontEnd.apply(audio)), i * 2 * frontEnd.bands));
      return Promise.resolve(out);
    },
    embedTimestamps(audio) {
      const { data, shape } = frontEnd.apply(audio);
      const [bands, frames] = [shape[0]!, shape[1]!];
      const embeddings = new Float32Array(data.length);
      for (let f = 0; f < bands; f++)
        for (let t = 0; t < frames; t++) embeddings[t * bands + f] = data[f * frames + t]!;
      const timestamps = Float32Array.from({ length: frames }, (_, t) => t * frontEnd.hopSeconds * 1000);
      return Promise.resolve({ embeddings, timestamps });
    },
  };
}

function meanAndStd({ data, shape }: NdArray): Float32Array {
  const [bands, frames] = [shape[0]!, shape[1]!];
  const out = new Float32Array(2 * bands);
  for (let f = 0; f < bands; f++) {
    const row = data.subarray(f * frames, (f + 1) * frames);
    const mean = row.reduce((sum, x) => sum + x, 0) / frames;
    const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / frames;
    out[f] = mean;
    out[bands + f] = Math.sqrt(variance);
  }
  return out;
}
