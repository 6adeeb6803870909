/** Conv2D, FusedConv2D, Conv2DBackpropInput and Conv2DBackpropFilter on our own convolution and product. */
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import { floatBits } from './kernels.ts';
import { PACKED_TOGETHER, product } from './matmul.ts';
import { type Context, isFloat, type KernelCall, output, override, pointer, sizeOf } from './override.ts';

/** A convolution of NHWC images, padding as numbers. */
interface Shape {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly top: number;
  readonly left: number;
  /** Distance of the input's pixels, zeros between them: a strided convolution's dy on the way back. Default 1. */
  readonly apartHeight?: number;
  readonly apartWidth?: number;
}

/** Bytes of padded image rows worked on at a time: they stay in the second cache. */
const ROWS_BYTES = 192 * 1024;
/** Pixels whose products are summed in registers before a filter gradient is touched. */
const SUM_PIXELS = 96;
const FILTER_CHUNKS = 16;

const paddedWidth = (s: Shape): number =>
  Math.max(s.left + (s.inWidth - 1) * (s.apartWidth ?? 1) + 1, (s.outWidth - 1) * s.strideWidth + s.filterWidth);
const rowBytes = (s: Shape): number => paddedWidth(s) * s.inChannels * 4;
const isPointwise = (s: Shape): boolean =>
  s.filterHeight === 1 &&
  s.filterWidth === 1 &&
  s.strideHeight === 1 &&
  s.strideWidth === 1 &&
  s.top === 0 &&
  s.left === 0 &&
  s.outHeight === s.inHeight &&
  s.outWidth === s.inWidth;

/** The shape if our kernels can do it. */
function shapeOf({ kernels }: Context, info: backend_util.Conv2DInfo): Shape | undefined {
  if (info.dilationHeight !== 1 || info.dilationWidth !== 1 || info.dataFormat !== 'channelsLast') return undefined;
  const { padInfo, batchSize: batch, ...rest } = info;
  const shape = { ...rest, batch, top: padInfo.top, left: padInfo.left };
  if (sizeOf(info.outShape) === 0 || sizeOf(info.inShape) === 0) return undefined;
  return rowBytes(shape) * info.filterHeight > kernels.scratchBytes / 4 ? undefined : shape;
}

interface Forward extends Shape {
  readonly x: number;
  readonly y: number;
  /** Filter packed as [out/NR][kh·kw·in + 1, NR]. */
  readonly packed: number;
  readonly bias?: number | undefined;
  readonly isRelu?: boolean;
}

function convolve({ kernels }: Context, s: Forward): void {
  const fit = Math.floor((ROWS_BYTES / rowBytes(s) - s.filterHeight) / s.strideHeight) + 1;
  const out = Math.floor(ROWS_BYTES / (s.outWidth * s.outChannels * 4)); // its columns are written panel by panel
  const rows = Math.max(1, Math.min(s.outHeight, fit, out));
  const chunks = Math.ceil(s.outHeight / rows);
  const bias = s.bias ?? kernels.zeros(s.outChannels * 4 + 64);
  kernels.run(
    'convolve',
    [s.x, s.packed, bias, s.y, s.inHeight, s.inWidth, s.inChannels, s.outHeight, s.outWidth, s.outChannels].concat(
      [s.filterHeight, s.filterWidth, s.strideHeight, s.strideWidth, s.top, s.left, rows, chunks],
      [floatBits(s.isRelu ? 0 : -Infinity), paddedWidth(s), s.apartHeight ?? 1, s.apartWidth ?? 1],
    ),
    s.batch * chunks,
  );
}

/** y = act(conv(x, filter) + bias). */
function forward(
  context: Context,
  s: Shape,
  x: TensorInfo,
  filter: TensorInfo,
  options: { bias?: TensorInfo | undefined; isRelu?: boolean },
): TensorInfo {
  const { kernels } = context;
  const y = output(context, [s.batch, s.outHeight, s.outWidth, s.outChannels]);
  const at = { x: pointer(context, x), y: pointer(context, y), filter: pointer(context, filter) };
  const bias = options.bias && pointer(context, options.bias);
  const isRelu = options.isRelu === true;
  if (isPointwise(s)) {
    const m = s.batch * s.inHeight * s.inWidth;
    const [n, k] = [s.outChannels, s.inChannels];
    product(context, {
      a: at.x,
      b: at.filter,
      c: at.y,
      m,
      n,
      k,
      isRelu,
      isATransposed: false,
      isBTransposed: false,
      ...(bias === undefined ? {} : { bias }),
    });
    return y;
  }
  const depth = s.filterHeight * s.filterWidth * s.inChannels;
  const panels = Math.ceil(s.outChannels / kernels.columns);
  const packed = kernels.buffer('packed', panels * kernels.columns * (depth + 1) * 4);
  kernels.run(
    'packB',
    [at.filter, s.outChannels * 4, 0, packed, s.outChannels, depth],
    Math.ceil(panels / PACKED_TOGETHER),
  );
  convolve(context, { ...s, x: at.x, y: at.y, packed, bias, isRelu });
  return y;
}

/** dx: the convolution of dy, spread by the strides, with the filter turned by 180° and its channels exchanged. */
function inputGrad(context: Context, s: Shape, dy: TensorInfo, filter: TensorInfo): TensorInfo {
  const { kernels } = context;
  const dx = output(context, [s.batch, s.inHeight, s.inWidth, s.inChannels]);
  const at = { dy: pointer(context, dy), dx: pointer(context, dx), filter: pointer(context, filter) };
  if (isPointwise(s)) {
    const m = s.batch * s.inHeight * s.inWidth;
    const [n, k] = [s.inChannels, s.outChannels];
    product(context, { a: at.dy, b: at.filter, c: at.dx, m, n, k, isATransposed: false, isBTransposed: true });
    return dx;
  }
  const panels = Math.ceil(s.inChannels / kernels.columns);
  const depth = s.filterHeight * s.filterWidth * s.outChannels;
  const packed = kernels.buffer('packed', panels * kernels.columns * (depth + 1) * 4);
  kernels.run(
    'packFilterTransposed',
    [at.filter, packed, s.filterHeight, s.filterWidth, s.inChannels, s.outChannels],
    panels,
  );
  convolve(context, { ...turned(s), x: at.dy, y: at.dx, packed });
  return dx;
}

/** The convolution that computes a convolution's input gradient. */
const turned = (s: Shape): Shape => ({
  ...s,
  inHeight: s.outHeight,
  inWidth: s.outWidth,
  inChannels: s.outChannels,
  outHeight: s.inHeight,
  outWidth: s.inWidth,
  outChannels: s.inChannels,
  strideHeight: 1,
  strideWidth: 1,
  apartHeight: s.strideHeight,
  apartWidth: s.strideWidth,
  top: s.filterHeight - 1 - s.top,
  left: s.filterWidth - 1 - s.left,
});

/** dfilter: per group of images, summed in registers over runs of pixels; the groups' sums are added in order. */
function filterGrad(context: Context, s: Shape, x: TensorInfo, dy: TensorInfo): TensorInfo {
  const { kernels } = context;
  const df = output(context, [s.filterHeight, s.filterWidth, s.inChannels, s.outChannels]);
  const at = { x: pointer(context, x), dy: pointer(context, dy), df: pointer(context, df) };
  if (isPointwise(s)) {
    const k = s.batch * s.inHeight * s.inWidth;
    const [m, n] = [s.inChannels, s.outChannels];
    product(context, { a: at.x, b: at.dy, c: at.df, m, n, k, isATransposed: true, isBTransposed: false });
    return df;
  }
  const m = s.filterWidth * s.inChannels;
  const paddedRows = Math.ceil(m / 6) * 6;
  const paddedColumns = Math.ceil(s.outChannels / kernels.columns) * kernels.columns;
  const images = Math.ceil(s.batch / FILTER_CHUNKS);
  const chunks = Math.ceil(s.batch / images);
  const rows = filterRows(context, s, paddedColumns);
  const partials = kernels.buffer('partials', chunks * s.filterHeight * paddedRows * paddedColumns * 4);
  kernels.run(
    'convolveFilterGrad',
    [at.x, at.dy, partials, s.batch, s.inHeight, s.inWidth, s.inChannels, s.outHeight, s.outWidth].concat(
      [s.outChannels, s.filterHeight, s.filterWidth, s.strideHeight, s.strideWidth, s.top, s.left, images, rows, 0],
      [paddedWidth(s)],
    ),
    chunks,
  );
  kernels.run(
    'sumPartials',
    [partials, chunks, at.df, m, s.outChannels, paddedRows, paddedColumns, s.filterHeight],
    s.filterHeight,
  );
  return df;
}

const filterRows = ({ kernels }: Context, s: Shape, paddedColumns: number): number => {
  const room = kernels.scratchBytes - 4096 - s.filterHeight * rowBytes(s);
  const fit = Math.floor(room / (s.outWidth * paddedColumns * 4 + s.strideHeight * rowBytes(s)));
  return Math.max(1, Math.min(s.outHeight, Math.ceil(SUM_PIXELS / s.outWidth), fit));
};

export function registerConv(context: Context): void {
  const { tf } = context;
  const infoOf = (call: KernelCall, xShape: number[], filterShape: number[]): backend_util.Conv2DInfo =>
    tf.backend_util.computeConv2DInfo(
      xShape as [number, number, number, number],
      filterShape as [number, number, number, number],
      call.attrs['strides'] as [number, number],
      (call.attrs['dilations'] as [number, number] | undefined) ?? 1,
      call.attrs['pad'] as 'same' | 'valid' | number,
      call.attrs['dimRoundingMode'] as 'floor' | 'round' | 'ceil' | undefined,
      false,
      tf.backend_util.convertConv2DDataFormat((call.attrs['dataFormat'] as 'NHWC' | 'NCHW' | undefined) ?? 'NHWC'),
    );

  override(context, 'Conv2D', (call) => {
    const { x, filter } = call.inputs;
    if (!x || !filter || !isFloat(x, filter)) return undefined;
    const shape = shapeOf(context, infoOf(call, x.shape, filter.shape));
    return shape && forward(context, shape, x, filter, {});
  });

  override(context, 'FusedConv2D', (call) => {
    const { x, filter, bias, preluActivationWeights } = call.inputs;
    const activation = call.attrs['activation'] ?? 'linear';
    if (!x || !filter || !isFloat(x, filter, bias) || preluActivationWeights) return undefined;
    const shape = shapeOf(context, infoOf(call, x.shape, filter.shape));
    if (!shape || (activation !== 'linear' && activation !== 'relu')) return undefined;
    if (bias && sizeOf(bias.shape) !== shape.outChannels) return undefined;
    return forward(context, shape, x, filter, { bias, isRelu: activation === 'relu' });
  });

  override(context, 'Conv2DBackpropInput', (call) => {
    const { dy, filter } = call.inputs;
    if (!dy || !filter || !isFloat(dy, filter)) return undefined;
    const shape = shapeOf(context, infoOf(call, call.attrs['inputShape'] as number[], filter.shape));
    if (!shape) return undefined;
    const back = turned(shape);
    const isWide = rowBytes(back) * back.filterHeight > context.kernels.scratchBytes / 4;
    return isWide || back.top < 0 || back.left < 0 ? undefined : inputGrad(context, shape, dy, filter);
  });

  override(context, 'Conv2DBackpropFilter', (call) => {
    const { x, dy } = call.inputs;
    if (!x || !dy || !isFloat(x, dy)) return undefined;
    const shape = shapeOf(context, infoOf(call, x.shape, call.attrs['filterShape'] as number[]));
    const columns = Math.ceil((shape?.outChannels ?? 0) / context.kernels.columns) * context.kernels.columns;
    const isWide = shape && shape.outWidth * columns * 4 > context.kernels.scratchBytes / 4;
    return !shape || isWide ? undefined : filterGrad(context, shape, x, dy);
  });
}
