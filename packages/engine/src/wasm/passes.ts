/** Dense, SeededDropout, MaxMeanTime, SgdMomentum, AdamW and sums: the remaining kernels of `src/ops` and of training. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { floatBits } from './kernels.ts';
import { product } from './matmul.ts';
import { type Context, isFloat, output, override, pointer, sizeOf } from './override.ts';

/** Numbers a chunk of a flat pass has. */
const FLAT = 65536;

export function registerPasses(context: Context): void {
  for (const name of ['Dense', 'DenseRelu']) {
    override(context, name, ({ inputs, attrs }) => {
      const { x, kernel, bias } = inputs;
      if (!x || !kernel || !isFloat(x, kernel, bias)) return undefined;
      const isBTransposed = attrs['transposeKernel'] === true;
      const [m, k] = x.shape as [number, number];
      const n = isBTransposed ? kernel.shape[0]! : kernel.shape[1]!;
      const y = output(context, [m, n]);
      product(context, {
        m,
        n,
        k,
        isBTransposed,
        isATransposed: false,
        isRelu: attrs['relu'] === true,
        a: pointer(context, x),
        b: pointer(context, kernel),
        c: pointer(context, y),
        ...(bias ? { bias: pointer(context, bias) } : {}),
      });
      return y;
    });
  }

  override(context, 'SeededDropout', ({ inputs, attrs }) => {
    const { x, seed } = inputs;
    if (!x || !seed || !isFloat(x)) return undefined;
    const y = output(context, x.shape);
    const size = sizeOf(x.shape);
    const at = [x, y, seed].map((info) => pointer(context, info));
    const factor = floatBits(attrs['scale'] as number);
    context.kernels.run('seededDropout', [...at, factor, size], Math.ceil(size / FLAT));
    return y;
  });

  override(context, 'ReluGrad', ({ inputs }) => {
    const { dy, y } = inputs;
    if (!dy || !y || !isFloat(dy, y)) return undefined;
    const dx = output(context, y.shape);
    const size = sizeOf(y.shape);
    context.kernels.run(
      'reluGrad',
      [...[dy, y, dx].map((info) => pointer(context, info)), size],
      Math.ceil(size / FLAT),
    );
    return dx;
  });

  // The stock kernel gives windows of negative numbers no gradient.
  override(context, 'MaxPoolGrad', ({ inputs, attrs }) => {
    const { dy, input } = inputs;
    if (!dy || !input || !isFloat(dy, input)) return undefined;
    const info = context.tf.backend_util.computePool2DInfo(
      input.shape as [number, number, number, number],
      attrs['filterSize'] as [number, number],
      attrs['strides'] as [number, number],
      1,
      attrs['pad'] as 'same' | 'valid' | number,
      attrs['dimRoundingMode'] as 'floor' | 'round' | 'ceil' | undefined,
    );
    const dx = output(context, input.shape);
    context.kernels.run(
      'maxPoolGrad',
      [...[input, dy, dx].map((x) => pointer(context, x)), info.inHeight, info.inWidth, info.inChannels].concat(
        [info.outHeight, info.outWidth, info.filterHeight, info.filterWidth, info.strideHeight, info.strideWidth],
        [info.padInfo.top, info.padInfo.left],
      ),
      info.batchSize,
    );
    return dx;
  });

  override(context, 'MaxMeanTime', ({ inputs }) => {
    const { x } = inputs;
    if (!x || !isFloat(x)) return undefined;
    const [batch, time, width] = x.shape as [number, number, number];
    const y = output(context, [batch, width]);
    context.kernels.run('maxMeanTime', [pointer(context, x), pointer(context, y), time, width], batch);
    return y;
  });
  override(context, 'MaxMeanTimeGrad', ({ inputs }) => {
    const { x, dy } = inputs;
    if (!x || !dy || !isFloat(x, dy)) return undefined;
    const [batch, time, width] = x.shape as [number, number, number];
    const dx = output(context, x.shape);
    const at = [x, dy].map((info) => pointer(context, info));
    context.kernels.run('maxMeanTimeGrad', [...at, time, width, pointer(context, dx)], batch);
    return dx;
  });

  override(context, 'SgdMomentum', ({ inputs, attrs }) => {
    const { param, grad, velocity, rates } = inputs;
    if (!param || !grad || !velocity || !rates || !isFloat(param, grad, velocity, rates)) return undefined;
    const results = [output(context, param.shape), output(context, param.shape)];
    const size = sizeOf(param.shape);
    context.kernels.run(
      'sgdMomentum',
      [...[param, grad, velocity, rates, ...results].map((info) => pointer(context, info)), size].concat(
        Number(attrs['nesterov'] === true),
      ),
      Math.ceil(size / FLAT),
    );
    return results;
  });

  override(context, 'AdamW', ({ inputs }) => {
    const { param, grad, first, second, rates } = inputs;
    if (!param || !grad || !first || !second || !rates || !isFloat(param, grad, first, second, rates)) return undefined;
    const results = Array.from({ length: 3 }, () => output(context, param.shape));
    const size = sizeOf(param.shape);
    const at = [param, grad, first, second, rates, ...results].map((info) => pointer(context, info));
    context.kernels.run('adamW', [...at, size], Math.ceil(size / FLAT));
    return results;
  });

  for (const name of ['Sum', 'Mean']) {
    override(context, name, ({ inputs, attrs }) => {
      const x = inputs['x'];
      if (!x || !isFloat(x) || sizeOf(x.shape) < 256) return undefined;
      const axes = context.tf.util.parseAxisParam(attrs['axis'] as number | number[], x.shape);
      return sum(context, x, axes, attrs['keepDims'] === true, name === 'Mean');
    });
  }
}

/** Sum or mean over leading or trailing axes; other axes are left to the stock kernel. */
function sum(
  context: Context,
  x: TensorInfo,
  axes: readonly number[],
  isKept: boolean,
  isMean: boolean,
): TensorInfo | undefined {
  const { kernels } = context;
  const sorted = axes.toSorted((a, b) => a - b);
  const rank = x.shape.length;
  const isLeading = sorted.every((axis, i) => axis === i);
  const isTrailing = sorted.every((axis, i) => axis === rank - sorted.length + i);
  if (sorted.length === 0 || !(isLeading || isTrailing)) return undefined;
  const reduced = sizeOf(sorted.map((axis) => x.shape[axis]!));
  const kept = sizeOf(x.shape) / reduced;
  const shape = x.shape.flatMap((n, axis) => (sorted.includes(axis) ? (isKept ? [1] : []) : [n]));
  const y = output(context, shape);
  const [from, to] = [pointer(context, x), pointer(context, y)];
  const factor = floatBits(isMean ? 1 / reduced : 1);
  if (isTrailing && (kept > 1 || reduced < 4 * FLAT)) {
    const rows = Math.max(1, Math.floor(FLAT / reduced));
    kernels.run('rowSums', [from, to, kept, reduced, factor, rows], Math.ceil(kept / rows));
    return y;
  }
  // Everything at once: as many columns as divide the numbers, whose sums are then a short row.
  if (kept === 1) {
    const columns = [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1].find((n) => reduced % n === 0)!;
    const short = kernels.buffer('row', columns * 4);
    columnSums(context, from, short, reduced / columns, columns, floatBits(1));
    kernels.run('rowSums', [short, to, 1, columns, factor, 1], 1);
    return y;
  }
  columnSums(context, from, to, reduced, kept, factor);
  return y;
}

function columnSums({ kernels }: Context, x: number, y: number, n: number, channels: number, factor: number): void {
  const wide = channels <= 512 ? channels : 256;
  const across = Math.ceil(channels / wide);
  const rows = Math.min(n, Math.max(32, Math.floor(FLAT / wide)));
  const blocks = Math.ceil(n / rows);
  const partials = kernels.buffer('partials', blocks * channels * 4);
  kernels.run('columnSums', [x, partials, n, channels, rows, across, wide], blocks * across);
  kernels.run('columnSumsCombine', [partials, y, blocks, channels, factor, 256], Math.ceil(channels / 256));
}
