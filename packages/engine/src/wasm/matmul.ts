/** BatchMatMul and _FusedMatMul on our blocked product. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { floatBits } from './kernels.ts';
import { type Context, isFloat, output, override, pointer, sizeOf } from './override.ts';

export interface Product {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** op(A) is Aᵀ of a [k, m] matrix. */
  readonly isATransposed: boolean;
  readonly isBTransposed: boolean;
  /** Offset of n biases. */
  readonly bias?: number;
  readonly isRelu?: boolean;
}

/** As in `assembly/gemm.ts`: depth and rows of a block, panels packed by a chunk. */
const DEPTH = 256;
const ROWS = 96;
/** Products of so few rows pack B as they go. */
const FLAT_ROWS = 192;
export const PACKED_TOGETHER = 8;

/** C [m, n] = act(op(A) [m, k] · op(B) [k, n] + bias), all float32 in row-major order at byte offsets. */
export function product({ kernels }: Context, p: Product): void {
  const { columns } = kernels;
  const floor = floatBits(p.isRelu ? 0 : -Infinity);
  const bias = p.bias ?? kernels.zeros(p.n * 4 + 64);
  const ldb = 4 * (p.isBTransposed ? p.k : p.n);
  const lda = 4 * (p.isATransposed ? p.m : p.k);
  if (p.m <= FLAT_ROWS) {
    const wide = p.n >= 2048 ? 256 : 128;
    kernels.run(
      'gemmFlat',
      [p.a, lda, Number(p.isATransposed), p.b, p.n, p.k, p.c, p.m, bias, floor, wide, ldb, Number(p.isBTransposed)],
      Math.ceil(p.n / wide),
    );
    return;
  }
  const panels = Math.ceil(p.n / columns);
  const packed = kernels.buffer('packed', panels * columns * (p.k + 1) * 4);
  kernels.run('packB', [p.b, ldb, Number(p.isBTransposed), packed, p.n, p.k], Math.ceil(panels / PACKED_TOGETHER));
  // Wide tiles pack A once; narrow ones give every thread work.
  const down = Math.ceil(p.m / ROWS);
  const parts = Math.max(1, Math.min(Math.ceil(p.n / 128), Math.ceil((4 * kernels.threads) / down)));
  const width = kernels.threads === 1 ? panels * columns : Math.ceil(panels / parts) * columns;
  const across = Math.ceil(p.n / width);
  kernels.run(
    'gemm',
    [p.a, lda, Number(p.isATransposed), packed, p.n, p.k, p.c, p.m, bias, floor, width, across],
    down * across,
  );
}

interface Batch extends Product {
  readonly batches: number;
  readonly aBatches: number;
  readonly bBatches: number;
}

/** A product for each of a batch; a batch of one on either side repeats. */
function batchProduct(context: Context, p: Batch): void {
  const { kernels } = context;
  const packedBytes = Math.ceil(p.n / kernels.columns) * kernels.columns * (p.k + 1) * 4;
  const [aBytes, bBytes, cBytes] = [p.m * p.k * 4, p.k * p.n * 4, p.m * p.n * 4];
  if (p.batches === 1 || packedBytes + ROWS * DEPTH * 4 + 4096 > kernels.scratchBytes) {
    for (let i = 0; i < p.batches; i++) {
      const a = p.a + (i % p.aBatches) * aBytes;
      product(context, { ...p, a, b: p.b + (i % p.bBatches) * bBytes, c: p.c + i * cBytes });
    }
    return;
  }
  const [lda, ldb] = [4 * (p.isATransposed ? p.m : p.k), 4 * (p.isBTransposed ? p.k : p.n)];
  const floor = floatBits(p.isRelu ? 0 : -Infinity);
  const bias = p.bias ?? kernels.zeros(p.n * 4 + 64);
  kernels.run(
    'gemmSmall',
    [p.a, lda, Number(p.isATransposed), p.b, p.n, p.k, p.c, p.m, bias, floor, ldb, Number(p.isBTransposed)].concat([
      aBytes,
      bBytes,
      cBytes,
      p.aBatches,
      p.bBatches,
    ]),
    p.batches,
  );
}

/** Too small for packing to pay. */
const isSmall = (m: number, n: number, k: number): boolean => m * n * k < 4096;

export function registerMatMul(context: Context): void {
  const run = (
    a: TensorInfo,
    b: TensorInfo,
    attrs: Readonly<Record<string, unknown>>,
    bias?: TensorInfo,
  ): TensorInfo | undefined => {
    const isATransposed = attrs['transposeA'] === true;
    const isBTransposed = attrs['transposeB'] === true;
    if (!isFloat(a, b, bias) || a.shape.length < 2 || b.shape.length < 2) return undefined;
    const [a0, a1] = [a.shape.at(-2)!, a.shape.at(-1)!];
    const [b0, b1] = [b.shape.at(-2)!, b.shape.at(-1)!];
    const [m, k] = isATransposed ? [a1, a0] : [a0, a1];
    const [kb, n] = isBTransposed ? [b1, b0] : [b0, b1];
    const [aOuter, bOuter] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const [aBatches, bBatches] = [sizeOf(aOuter), sizeOf(bOuter)];
    const isSame = aOuter.join() === bOuter.join();
    if (k !== kb || isSmall(m, n, k) || !(isSame || aBatches === 1 || bBatches === 1)) return undefined;
    if (bias && sizeOf(bias.shape) !== n) return undefined;
    const activation = attrs['activation'] ?? 'linear';
    if (activation !== 'linear' && activation !== 'relu') return undefined;
    const outer = context.tf.broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
    const c = output(context, [...outer, m, n]);
    batchProduct(context, {
      m,
      n,
      k,
      isATransposed,
      isBTransposed,
      aBatches,
      bBatches,
      batches: sizeOf(outer),
      a: pointer(context, a),
      b: pointer(context, b),
      c: pointer(context, c),
      isRelu: activation === 'relu',
      ...(bias ? { bias: pointer(context, bias) } : {}),
    });
    return c;
  };
  override(context, 'BatchMatMul', ({ inputs, attrs }) => run(inputs['a']!, inputs['b']!, attrs));
  override(context, '_FusedMatMul', ({ inputs, attrs }) =>
    inputs['preluActivationWeights'] ? undefined : run(inputs['a']!, inputs['b']!, attrs, inputs['bias']),
  );
}
