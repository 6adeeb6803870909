/**
 * Where the weights of a linear probe live. An L2-penalised linear model has W = XᵀA in the row space of the n standardised
 * training clips X [n, D], so with n ≤ D everything can be said with n × n matrices (*dual*: coefficients A [n, K], G = XXᵀ);
 * with more clips than features they are the weights themselves (*primal*). Both are exact.
 *
 * Vectors are class-major, K rows of `size`. A vector's *companion* c pairs it with a gradient: ⟨v, g⟩ = Σ c·g, where c = G·a
 * (dual; these are its logits too) or the vector itself (primal).
 *
 * Legend: n clips, D features, K classes; padded to what the kernel wants.
 */
import { countOf, fitStandardizer, standardizeInto, type Embeddings, type Standardizer } from '../embeddings.ts';
import { cholesky, solveLower, solveUpper } from '../linalg/cholesky.ts';
import { createWorkspace, roundUp } from '../linalg/kernel.ts';

/** Clips projected at a time. */
const CHUNK = 64;

export interface Space {
  readonly isDual: boolean;
  readonly standardizer: Standardizer;
  /** Row lengths of vectors and of logits, and rows of both. */
  readonly size: number;
  readonly logitStride: number;
  readonly rows: number;
  /** Arrays of the kernel, overwritten by the calls below. */
  readonly vector: Float64Array;
  readonly companion: Float64Array;
  /** Gradient of the loss by the weights, from its gradient by the logits [K, n] → [K, size]. */
  gradient(residual: Float64Array, into: Float64Array): void;
  /** Factors the preconditioner w·XᵀX/n + l2. */
  prepare(weight: number, l2: number): void;
  /** Preconditions `vector` in place and sets its companion. */
  precondition(): void;
  /** Logits of `vector` without bias [K, n]. */
  logits(into: Float64Array): void;
  /** Rows that give logits by a dot product with a vector's row: any clips [m, D] → [m, size]. */
  project(embeddings: Embeddings): Float64Array;
  /** Logits without bias [m, K] of projected clips under a vector. */
  logitsOf(projected: Float64Array, ofVector: Float64Array): Float64Array;
  /** Weights of the standardised features [K, D] of a vector. */
  weights(vector: Float64Array): Float64Array;
}

export function createSpace(train: Embeddings, classes: number): Space {
  const n = countOf(train);
  const { width } = train;
  const isDual = n <= width;
  const [nPad, dPad, rows] = [roundUp(n, 4), roundUp(width, 4), roundUp(classes, 2)];
  const size = isDual ? nPad : dPad;
  const workspace = createWorkspace([
    nPad * dPad, isDual ? nPad * nPad : nPad * dPad, 2 * size * size, 2 * rows * size, 2 * rows * nPad, CHUNK * (dPad + size + rows),
  ]); // prettier-ignore
  const { allocate, dot } = workspace;
  const x = allocate(nPad * dPad); // [n, D]
  const standardizer = fitStandardizer(train);
  standardizeInto(x, dPad, train, standardizer);

  // dual: G [n, n], the features of the logits as well; primal: Xᵀ [D, n]
  const second = allocate(isDual ? nPad * nPad : nPad * dPad);
  const moment = allocate(size * size); // lower triangle of XXᵀ or XᵀX
  const factor = allocate(size * size);
  const vector = allocate(rows * size);
  const companion = allocate(rows * size);
  const held = allocate(rows * nPad);
  const out = allocate(rows * nPad);
  const chunk = allocate(CHUNK * dPad);
  const projected = allocate(CHUNK * size);
  const chunkLogits = allocate(CHUNK * rows);
  if (!isDual) for (let i = 0; i < n; i++) for (let d = 0; d < width; d++) second[d * nPad + i] = x[i * dPad + d]!;
  const [from, length] = isDual ? [x, dPad] : [second, nPad];
  for (let i = 0; i < size; i += 32) {
    const [m, span] = [Math.min(32, size - i), Math.min(i + 32, size)];
    for (let k = 0; k < length; k += 512) {
      const a = from.subarray(i * length + k);
      const [b, c] = [from.subarray(k), moment.subarray(i * size)];
      const shared = { aStride: length, bStride: length, cRow: size, cColumn: 1, sign: 1 } as const;
      dot({ m, n: span, k: Math.min(512, length - k), a, b, c, ...shared });
    }
  }
  if (isDual) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) second[i * size + j] = second[j * size + i] = moment[i * size + j]!;
    }
  }
  const features = isDual ? second : x;

  let weight = 1;
  let l2 = 1;
  return {
    isDual,
    standardizer,
    size,
    logitStride: nPad,
    rows,
    vector,
    companion,
    gradient(residual, into) {
      if (isDual) return into.set(residual);
      held.set(residual);
      vector.fill(0);
      dot({
        m: size,
        n: rows,
        k: nPad,
        a: second,
        aStride: nPad,
        b: held,
        bStride: nPad,
        c: vector,
        cRow: 1,
        cColumn: size,
        sign: 1,
      });
      into.set(vector);
    },
    prepare(newWeight, newL2) {
      [weight, l2] = [newWeight, newL2];
      for (let i = 0; i < size; i++) {
        for (let j = 0; j <= i; j++) factor[i * size + j] = (moment[i * size + j]! * weight) / n;
        factor[i * size + i]! += l2;
      }
      cholesky(workspace, factor, size);
    },
    precondition() {
      if (isDual) companion.set(vector);
      solveLower(workspace, factor, size, vector, rows);
      solveUpper(workspace, factor, size, vector, rows);
      if (!isDual) return companion.set(vector);
      // G z = (n/w)(q − l2 z), from (w G/n + l2) z = q
      for (let i = 0; i < companion.length; i++) companion[i] = (n / weight) * (companion[i]! - l2 * vector[i]!);
    },
    logits(into) {
      out.fill(0);
      dot({
        m: nPad,
        n: rows,
        k: size,
        a: features,
        aStride: size,
        b: vector,
        bStride: size,
        c: out,
        cRow: 1,
        cColumn: nPad,
        sign: 1,
      });
      into.set(out);
    },
    project(embeddings) {
      const m = countOf(embeddings);
      const all = new Float64Array(m * size);
      for (let i = 0; i < m; i += CHUNK) {
        const to = Math.min(i + CHUNK, m);
        standardizeInto(isDual ? chunk : projected, dPad, embeddings, standardizer, i, to);
        if (isDual) {
          projected.fill(0);
          dot({
            m: CHUNK,
            n: size,
            k: dPad,
            a: chunk,
            aStride: dPad,
            b: x,
            bStride: dPad,
            c: projected,
            cRow: size,
            cColumn: 1,
            sign: 1,
          });
        }
        all.set(projected.subarray(0, (to - i) * size), i * size);
      }
      return all;
    },
    logitsOf(all, ofVector) {
      const m = all.length / size;
      const logits = new Float64Array(m * classes);
      vector.set(ofVector);
      for (let i = 0; i < m; i += CHUNK) {
        const count = Math.min(CHUNK, m - i);
        projected.set(all.subarray(i * size, (i + count) * size));
        chunkLogits.fill(0);
        dot({
          m: CHUNK,
          n: rows,
          k: size,
          a: projected,
          aStride: size,
          b: vector,
          bStride: size,
          c: chunkLogits,
          cRow: rows,
          cColumn: 1,
          sign: 1,
        });
        for (let r = 0; r < count; r++) {
          for (let k = 0; k < classes; k++) logits[(i + r) * classes + k] = chunkLogits[r * rows + k]!;
        }
      }
      return logits;
    },
    weights(ofVector) {
      const result = new Float64Array(classes * width);
      for (let k = 0; k < classes; k++) {
        if (!isDual) {
          result.set(ofVector.subarray(k * size, k * size + width), k * width);
          continue;
        }
        for (let i = 0; i < n; i++) {
          const a = ofVector[k * size + i]!;
          for (let d = 0; d < width; d++) result[k * width + d]! += a * x[i * dPad + d]!;
        }
      }
      return result;
    },
  };
}
