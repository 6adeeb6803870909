/** The fused batch normalisation kernels of `src/ops`: BatchNormTrain, BatchNormReluPool and their gradients. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { floatBits } from './kernels.ts';
import { type Context, isFloat, type KernelCall, output, override, pointer, sizeOf } from './override.ts';

interface Rows {
  readonly groups: number;
  /** Rows of a group. */
  readonly n: number;
  readonly channels: number;
  readonly epsilon: number;
}

/** Numbers of a block: a quarter of a megabyte. */
const BLOCK = 65536;

/** How statistics are cut into blocks; depends on the shape alone, because it decides the order of sums. */
function blocksOf({ n, channels }: Rows): { rows: number; count: number; wide: number; across: number } {
  const wide = channels <= 512 ? channels : 256;
  const rows = Math.min(n, Math.max(32, Math.floor(BLOCK / wide)));
  return { rows, count: Math.ceil(n / rows), wide, across: Math.ceil(channels / wide) };
}

/** Whole rows for passes that write. */
function stripsOf({ n, channels }: Rows): { rows: number; count: number } {
  const rows = Math.min(n, Math.max(1, Math.floor(BLOCK / channels)));
  return { rows, count: Math.ceil(n / rows) };
}

function rowsOf(call: KernelCall): Rows | undefined {
  const { x, dy, gamma, beta, mean, variance } = call.inputs;
  if (!x || !gamma || !beta || !isFloat(x, dy, gamma, beta, mean, variance)) return undefined;
  const groups = (call.attrs['groups'] as number | undefined) ?? 1;
  const channels = x.shape.at(-1)!;
  const n = sizeOf(x.shape) / channels / groups;
  if (!Number.isInteger(n) || n === 0 || x.shape[0]! % groups !== 0) return undefined;
  return { groups, n, channels, epsilon: call.attrs['epsilon'] as number };
}

interface Affine {
  readonly scale: number;
  readonly shift: number;
}

const affineBuffer = ({ kernels }: Context, { groups, channels }: Rows): Affine => {
  const scale = kernels.buffer('affine', 2 * groups * channels * 4);
  return { scale, shift: scale + groups * channels * 4 };
};

/** Mean and biased variance of every group, and the affine map they give with gamma and beta. */
function statistics(
  context: Context,
  call: KernelCall,
  rows: Rows,
): Affine & { mean: TensorInfo; variance: TensorInfo } {
  const { kernels } = context;
  const { groups, n, channels, epsilon } = rows;
  const at = (name: string): number => pointer(context, call.inputs[name]!);
  const blocks = blocksOf(rows);
  const [mean, variance] = [output(context, [groups, channels]), output(context, [groups, channels])];
  const partials = kernels.buffer('partials', groups * blocks.count * 2 * channels * 4);
  const affine = affineBuffer(context, rows);
  kernels.run(
    'moments',
    [at('x'), partials, n, channels, blocks.count, blocks.rows, blocks.across, blocks.wide],
    groups * blocks.count * blocks.across,
  );
  kernels.run(
    'momentsCombine',
    [partials, n, channels, blocks.count, blocks.rows, at('gamma'), at('beta'), floatBits(epsilon)].concat([
      pointer(context, mean),
      pointer(context, variance),
      affine.scale,
      affine.shift,
      blocks.across,
      blocks.wide,
    ]),
    groups * blocks.across,
  );
  return { ...affine, mean, variance };
}

/** The same affine map from statistics that are known. */
function affineOf(context: Context, call: KernelCall, rows: Rows): Affine {
  const affine = affineBuffer(context, rows);
  const at = (name: string): number => pointer(context, call.inputs[name]!);
  context.kernels.run(
    'scaleAndShift',
    [at('gamma'), at('beta'), at('mean'), at('variance'), floatBits(rows.epsilon), affine.scale, affine.shift].concat([
      rows.channels,
      rows.groups,
    ]),
    1,
  );
  return affine;
}

/** dGamma, dBeta and the line dx lies on, from blocks' sums. */
function combineGrad(
  context: Context,
  call: KernelCall,
  rows: Rows,
  affine: Affine,
  partials: number,
  blocks: number,
): { slope: number; offset: number; dGamma: TensorInfo; dBeta: TensorInfo } {
  const { kernels } = context;
  const { groups, n, channels, epsilon } = rows;
  const [dGamma, dBeta] = [output(context, [channels]), output(context, [channels])];
  const slope = kernels.buffer('slopes', 2 * groups * channels * 4);
  const offset = slope + groups * channels * 4;
  const each = 64;
  kernels.run(
    'normGradCombine',
    [partials, n, channels, blocks, groups, pointer(context, call.inputs['mean']!)].concat(
      [pointer(context, call.inputs['variance']!), floatBits(epsilon), affine.scale, slope, offset],
      [pointer(context, dGamma), pointer(context, dBeta), each],
    ),
    Math.ceil(channels / each),
  );
  return { slope, offset, dGamma, dBeta };
}

function normTrain(context: Context, call: KernelCall): TensorInfo[] | undefined {
  const rows = rowsOf(call);
  if (!rows) return undefined;
  const x = call.inputs['x']!;
  const { scale, shift, mean, variance } = statistics(context, call, rows);
  const y = output(context, x.shape);
  const strips = stripsOf(rows);
  const floor = floatBits(call.attrs['relu'] === true ? 0 : -Infinity);
  context.kernels.run(
    'normalize',
    [pointer(context, x), pointer(context, y), scale, shift, rows.n, rows.channels, strips.count, strips.rows, floor],
    rows.groups * strips.count,
  );
  return [y, mean, variance];
}

function normTrainGrad(context: Context, call: KernelCall): TensorInfo[] | undefined {
  const rows = rowsOf(call);
  if (!rows) return undefined;
  const { kernels } = context;
  const [x, dy] = [call.inputs['x']!, call.inputs['dy']!];
  const at = { x: pointer(context, x), dy: pointer(context, dy), mean: pointer(context, call.inputs['mean']!) };
  const { groups, n, channels } = rows;
  const isRelu = Number(call.attrs['relu'] === true);
  const affine = affineOf(context, call, rows);
  const blocks = blocksOf(rows);
  const partials = kernels.buffer('partials', groups * blocks.count * 2 * channels * 4);
  kernels.run(
    'normGradSums',
    [at.x, at.dy, affine.scale, affine.shift, at.mean, partials, n, channels, blocks.count, blocks.rows, isRelu].concat(
      [blocks.across, blocks.wide],
    ),
    groups * blocks.count * blocks.across,
  );
  const { slope, offset, dGamma, dBeta } = combineGrad(context, call, rows, affine, partials, blocks.count);
  const dx = output(context, x.shape);
  const strips = stripsOf(rows);
  kernels.run(
    'normGradApply',
    [at.x, at.dy, pointer(context, dx), affine.scale, affine.shift, slope, offset, n, channels].concat([
      strips.count,
      strips.rows,
      isRelu,
    ]),
    groups * strips.count,
  );
  return [dx, dGamma, dBeta];
}

interface Windows {
  readonly images: number;
  /** Blocks of pooled rows an image is cut into. */
  readonly blocks: number;
  /** The part of the parameters the pooling operations share, from H on. */
  readonly parameters: readonly number[];
}

function windowsOf(x: TensorInfo, groups: number): Windows | undefined {
  const [images, height, width, channels] = x.shape as [number, number, number, number];
  if (x.shape.length !== 4 || height < 2 || width < 2) return undefined;
  const pooled = height >> 1;
  const rows = Math.min(pooled, Math.max(1, Math.floor(BLOCK / (2 * width * channels))));
  const blocks = Math.ceil(pooled / rows);
  return { images, blocks, parameters: [height, width, channels, blocks, rows, images / groups] };
}

function normPool(context: Context, call: KernelCall): TensorInfo[] | undefined {
  const rows = rowsOf(call);
  const x = call.inputs['x'];
  const windows = rows && x && windowsOf(x, rows.groups);
  if (!windows) return undefined;
  const [images, height, width, channels] = x.shape as [number, number, number, number];
  const { scale, shift, mean, variance } = statistics(context, call, rows);
  const y = output(context, [images, height >> 1, width >> 1, channels]);
  context.kernels.run(
    'poolForward',
    [pointer(context, x), pointer(context, y), scale, shift, ...windows.parameters],
    images * windows.blocks,
  );
  return [y, mean, variance];
}

function normPoolGrad(context: Context, call: KernelCall): TensorInfo[] | undefined {
  const rows = rowsOf(call);
  const { x, dy, mean } = call.inputs;
  const windows = rows && x && windowsOf(x, rows.groups);
  if (!windows || !dy || !mean) return undefined;
  const { kernels } = context;
  const { scale, shift } = affineOf(context, call, rows);
  const chunks = windows.images * windows.blocks;
  const partials = kernels.buffer('partials', chunks * 2 * rows.channels * 4);
  const shared = [pointer(context, x), pointer(context, dy), scale, shift, ...windows.parameters];
  kernels.run('poolGradSums', [...shared, pointer(context, mean), partials], chunks);
  const line = combineGrad(context, call, rows, { scale, shift }, partials, chunks / rows.groups);
  const dx = output(context, x.shape);
  kernels.run('poolGradApply', [...shared, line.slope, line.offset, pointer(context, dx)], chunks);
  return [dx, line.dGamma, line.dBeta];
}

/** Evaluation: the pass without statistics. */
function affinePool(context: Context, { inputs }: KernelCall): TensorInfo | undefined {
  const { x, scale, offset } = inputs;
  const windows = x && windowsOf(x, 1);
  if (!windows || !scale || !offset || !isFloat(x, scale, offset)) return undefined;
  const [images, height, width, channels] = x.shape as [number, number, number, number];
  const y = output(context, [images, height >> 1, width >> 1, channels]);
  const at = [x, y, scale, offset].map((info) => pointer(context, info));
  context.kernels.run('poolForward', [...at, ...windows.parameters], images * windows.blocks);
  return y;
}

export function registerNorm(context: Context): void {
  override(context, 'BatchNormTrain', (call) => normTrain(context, call));
  override(context, 'BatchNormTrainGrad', (call) => normTrainGrad(context, call));
  override(context, 'AffineReluPool', (call) => affinePool(context, call));
  override(context, 'BatchNormReluPool', (call) => normPool(context, call));
  override(context, 'BatchNormReluPoolGrad', (call) => normPoolGrad(context, call));
}
