/** SparseDense and its gradient: products over the numbers of x that are not zero. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Context, isFloat, output, override, pointer } from './override.ts';

/** As in `assembly/sparse.ts`. */
const STRIP = 96;
const DEPTH = 96;
const ROWS = 192;
const SLOT = 8 * DEPTH;

interface Lists {
  readonly lists: number;
  readonly ends: number;
}

/** B [k, n] in strips of columns. */
function packStrips({ kernels }: Context, b: number, k: number, n: number): number {
  const strips = Math.ceil(n / STRIP);
  const packed = kernels.buffer('strips', strips * k * STRIP * 4);
  kernels.run('packStrips', [b, n, k, packed], strips);
  return packed;
}

/** What is not zero in x [rows, columns], by rows or by columns. */
function listNonZeros({ kernels }: Context, x: number, rows: number, columns: number, byColumns: boolean): Lists {
  const [m, k] = byColumns ? [columns, rows] : [rows, columns];
  const cuts = Math.ceil(k / DEPTH);
  const lists = kernels.buffer('lists', cuts * m * SLOT);
  const ends = kernels.buffer('ends', cuts * m * 4);
  kernels.run('listNonZeros', [x, rows, columns, Number(byColumns), lists, ends], cuts);
  return { lists, ends };
}

export function registerSparse(context: Context): void {
  const { kernels } = context;
  const isMatrix = (...infos: readonly (TensorInfo | undefined)[]): boolean =>
    isFloat(...infos) && infos.every((info) => info?.shape.length === 2);

  override(context, 'SparseDense', ({ inputs }) => {
    const { x, kernel, bias } = inputs;
    if (!x || !kernel || !bias || !isMatrix(x, kernel) || !isFloat(bias)) return undefined;
    const [m, k] = x.shape as [number, number];
    const n = kernel.shape[1]!;
    const y = output(context, [m, n]);
    const packed = packStrips(context, pointer(context, kernel), k, n);
    const { lists, ends } = listNonZeros(context, pointer(context, x), m, k, false);
    kernels.run(
      'sparseProduct',
      [lists, ends, m, k, packed, n, pointer(context, y), pointer(context, bias)],
      Math.ceil(m / ROWS) * Math.ceil(n / STRIP),
    );
    return y;
  });

  override(context, 'SparseDenseGrad', ({ inputs }) => {
    const { x, kernel, dy } = inputs;
    if (!x || !kernel || !dy || !isMatrix(x, kernel, dy)) return undefined;
    const [m, k] = x.shape as [number, number];
    const n = kernel.shape[1]!;
    const [dx, dKernel] = [output(context, x.shape), output(context, kernel.shape)];
    const packed = packStrips(context, pointer(context, kernel), k, n);
    const rows = listNonZeros(context, pointer(context, x), m, k, false);
    kernels.run(
      'sparseDots',
      [rows.lists, rows.ends, m, k, packed, n, pointer(context, dy), pointer(context, dx)],
      Math.ceil(m / ROWS) * Math.ceil(k / DEPTH),
    );
    const packedDy = packStrips(context, pointer(context, dy), m, n);
    const columns = listNonZeros(context, pointer(context, x), m, k, true);
    kernels.run(
      'sparseProduct',
      [columns.lists, columns.ends, k, m, packedDy, n, pointer(context, dKernel), kernels.zeros(n * 4)],
      Math.ceil(k / ROWS) * Math.ceil(n / STRIP),
    );
    return [dx, dKernel];
  });
}
