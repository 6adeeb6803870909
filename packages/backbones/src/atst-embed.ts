/**
 * Embeddings of ATST as its authors evaluate it frozen: long clips in chunks, several blocks side by side. Followed:
 * Audio-WestlakeU/audiossl models/atst/audio_transformer.py `get_intermediate_layers_chunks` and methods/atstframe embedding.py@ec3a14db.
 *
 * Followed to the letter where published numbers come from: in Clip the sum over a chunk's patches is divided by the patches from the chunk's
 * start to the clip's end, so that means of all chunks but the last are too small by that ratio. The batch norm of the authors' linear
 * evaluation takes the factor out again where clips are equally long.
 *
 * Legend: as in atst.ts; n blocks of an embedding.
 */
import type { Features, ForwardOptions, Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import type { Atst } from './atst.ts';

interface Chunk extends Record<string, Tensor> {
  /** Class tokens of the blocks, then their means [B, (1 + C)·n·D]. */
  readonly clip: Tensor;
  /** [B, N, n·D] */
  readonly frames: Tensor;
  /** 1 where the chunk counts for a row, else 0 [B, 1]. */
  readonly weight: Tensor;
}

/**
 * x [B, F, T] of any T from one patch on → `clip`, the mean over chunks that count, and `frames`. Clip's first chunk counts, later ones
 * where more than half of a chunk is there; Frame's count wherever they have a whole patch (the authors' mean over nothing is left out).
 */
export function embedInChunks(backbone: Atst, x: Tensor, options: ForwardOptions): Features {
  const [, , total = 0] = x.shape;
  const chunks: Chunk[] = [];
  for (let start = 0; start === 0 || start + backbone.frameStride <= total; start += backbone.chunkFrames) {
    chunks.push(tf.tidy(() => embedChunk(backbone, x, start, options)));
  }
  const weights = chunks.map(({ weight }) => weight);
  const sum = tf.addN(chunks.map(({ clip, weight }) => tf.mul(clip, weight)));
  return {
    clip: tf.div(sum, tf.maximum(tf.addN(weights), 1)),
    frames: join(
      chunks.map(({ frames }) => frames),
      1,
    ),
  };
}

function embedChunk(backbone: Atst, x: Tensor, start: number, options: ForwardOptions): Chunk {
  const { classTokens, embedBlocks, frameStride, chunkFrames } = backbone;
  const [rows = 0, , total = 0] = x.shape;
  const size = Math.min(chunkFrames, total - start);
  const part = tf.slice(x, [0, 0, start], [-1, -1, size]);
  const held = options.lengths ? tf.cast(options.lengths, 'float32') : tf.fill([rows], total);
  const rest = tf.maximum(tf.sub(held, start), 0); // [B]
  const lengths = tf.minimum(rest, size);
  const { blocks } = backbone.pass(part, options.lengths ? { ...options, lengths } : options);
  const tokens = blocks.slice(-embedBlocks).map((block) => backbone.norm(block)); // [B, C + N, D] each
  const patches = tokens.map((t) => tf.slice(t, [0, classTokens, 0], [-1, -1, -1]));
  const valid = tf.expandDims(tf.floorDiv(lengths, frameStride), 1); // [B, 1]
  const divisor = classTokens ? tf.expandDims(tf.floorDiv(rest, frameStride), 1) : valid;
  const isValid = tf.cast(tf.less(tf.range(0, patches[0]!.shape[1]!, 1, 'float32'), valid), 'float32'); // [B, N]
  const share = tf.expandDims(tf.div(isValid, tf.maximum(divisor, 1)), 2); // [B, N, 1]
  const means = patches.map((t) => tf.sum(tf.mul(t, share), 1));
  const classes = classTokens ? tokens.map((t) => tf.squeeze(tf.slice(t, [0, 0, 0], [-1, 1, -1]), [1])) : [];
  const below = !classTokens ? frameStride - 1 : start === 0 ? 0 : Math.floor(chunkFrames / 2);
  return {
    clip: join([...classes, ...means], 1),
    frames: join(patches, 2),
    weight: tf.expandDims(tf.cast(tf.greater(lengths, below), 'float32'), 1),
  };
}

const join = (tensors: Tensor[], axis: number): Tensor =>
  tensors.length === 1 ? tensors[0]! : tf.concat(tensors, axis);
