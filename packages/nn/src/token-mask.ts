/**
 * Random masks over tokens, and the two moves of masked training: taking the visible tokens out of a sequence (He et al., MAE,
 * arXiv 2111.06377v3 §3), and putting outputs back to their places with a filler at the others.
 *
 * Legend: B rows, N tokens, V visible tokens a row, D width.
 */
import { ConfigError, type Rng, type Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';

export interface TokenMask {
  readonly rows: number;
  readonly tokens: number;
  /** V, the same in each row. */
  readonly visiblePerRow: number;
  /** Places in the flat [B·N] sequence, ascending in each row [B·V]. */
  readonly visible: Int32Array;
  /** The others, ascending [B·(N − V)]. */
  readonly masked: Int32Array;
}

export interface RandomMaskOptions {
  readonly rows: number;
  readonly tokens: number;
  /** Share that is masked; at least one token of a row is on either side. */
  readonly ratio: number;
}

/** Uniform without replacement, each row by a draw of its own; ⌊N·(1 − ratio)⌋ tokens stay, as MAE counts. */
export function randomMask({ rows, tokens, ratio }: RandomMaskOptions, rng: Rng): TokenMask {
  if (!(ratio > 0 && ratio < 1)) throw new ConfigError(`randomMask: ratio ${ratio} is outside 0…1`);
  if (tokens < 2) throw new ConfigError(`randomMask: ${tokens} tokens a row; at least 2 are needed`);
  // floor of a product that float64 may put just below a whole number
  const kept = Math.min(tokens - 1, Math.max(1, Math.floor(tokens * (1 - ratio) + 1e-9)));
  const visible = new Int32Array(rows * kept);
  const masked = new Int32Array(rows * (tokens - kept));
  for (let row = 0; row < rows; row++) {
    const order = rng.fork(row).permutation(tokens);
    const place = (part: Uint32Array): Int32Array => Int32Array.from(part.toSorted(), (i) => row * tokens + i);
    visible.set(place(order.subarray(0, kept)), row * kept);
    masked.set(place(order.subarray(kept)), row * (tokens - kept));
  }
  return { rows, tokens, visiblePerRow: kept, visible, masked };
}

/** Rows `places` (each at most once) of x [R, D] → [places, D]; the gradient puts rows back where they came from. */
export function takeRows(x: Tensor, places: Int32Array): Tensor {
  const [rows = 0, width = 1] = x.shape;
  const run = tf.customGrad((input) => ({
    value: tf.gather(input as Tensor, tf.tensor1d(places, 'int32')),
    gradFunc: (dy: Tensor) => spread(dy, places, rows, tf.zeros([1, width])),
  }));
  return run(x);
}

/** x [S, D] at `places` of R rows, `filler` [1, D] everywhere else → [R, D] */
function spread(x: Tensor, places: Int32Array, rows: number, filler: Tensor): Tensor {
  const from = new Int32Array(rows).fill(places.length); // the row behind the last
  places.forEach((place, i) => (from[place] = i));
  return tf.gather(tf.concat([x, filler], 0), tf.tensor1d(from, 'int32'));
}

/** x [B, N, D] → its visible tokens [B, V, D] */
export function takeVisible(x: Tensor, { rows, visible, visiblePerRow }: TokenMask): Tensor {
  const width = x.shape[2]!;
  return tf.reshape(takeRows(tf.reshape(x, [-1, width]), visible), [rows, visiblePerRow, width]);
}

/** Visible tokens [B, V, D] at their places, `filler` [D] at the masked ones → [B, N, D]. Gradients reach both. */
export function restoreTokens(x: Tensor, filler: Tensor, { rows, tokens, visible, masked }: TokenMask): Tensor {
  const width = x.shape[2]!;
  const run = tf.customGrad((...args) => {
    const [input, fill] = args as unknown as [Tensor, Tensor];
    return {
      value: spread(input, visible, rows * tokens, tf.reshape(fill, [1, width])),
      gradFunc: (dy: Tensor) => [
        tf.gather(dy, tf.tensor1d(visible, 'int32')),
        tf.sum(tf.gather(dy, tf.tensor1d(masked, 'int32')), 0),
      ],
    };
  });
  return tf.reshape(run(tf.reshape(x, [-1, width]), filler), [rows, tokens, width]);
}
