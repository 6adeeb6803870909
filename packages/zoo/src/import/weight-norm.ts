/** Weight norm folded into plain weights: w = v·g/‖v‖ over all axes that g does not have (Salimans and Kingma, arXiv 1602.07868v3). */
import { CheckpointError, sizeOf, type NdArray } from '@unlabel/core';
import { weightNormName } from '@unlabel/nn';
import type { ForeignTensor } from './container.ts';

/** Both spellings: `weight_g`, `weight_v` of torch before 2.0, `parametrizations.weight.original0`, `original1` since. */
const spellings = [
  [/^(.*?)weight_g$/, 'weight_v'],
  [/^(.*?)parametrizations\.weight\.original0$/, 'parametrizations.weight.original1'],
] as const;

/** Pairs become `<prefix>weight`; everything else stays. */
export function foldWeightNorm(tensors: ReadonlyMap<string, ForeignTensor>): Map<string, ForeignTensor> {
  const folded = new Map(tensors);
  for (const [name, g] of tensors) {
    for (const [pattern, partner] of spellings) {
      const prefix = pattern.exec(name)?.[1];
      if (prefix === undefined) continue;
      const v = tensors.get(`${prefix}${partner}`);
      if (!v) continue;
      folded.delete(name);
      folded.delete(`${prefix}${partner}`);
      folded.set(`${prefix}weight`, {
        shape: v.shape,
        dtype: v.dtype,
        read: async () => normalized(name, await g.read(), await v.read()),
      });
    }
  }
  return folded;
}

/** Pairs kept, in the old spelling. */
export const oldWeightNorm = (tensors: ReadonlyMap<string, ForeignTensor>): Map<string, ForeignTensor> =>
  new Map([...tensors].map(([name, tensor]) => [weightNormName(name), tensor]));

/** @param g the size of v on the axes it keeps, 1 elsewhere */
function normalized(name: string, g: NdArray, v: NdArray): NdArray {
  const fits = g.shape.length === v.shape.length && g.shape.every((n, axis) => n === 1 || n === v.shape[axis]);
  if (!fits)
    throw new CheckpointError(`${name}: [${g.shape.join(', ')}] does not fit a weight [${v.shape.join(', ')}]`);
  const strides = g.shape.map((n, axis) => (n === 1 ? 0 : g.shape.slice(axis + 1).reduce((a, b) => a * b, 1)));
  const groups = new Int32Array(sizeOf(v.shape));
  const squares = new Float64Array(g.data.length);
  const index = v.shape.map(() => 0);
  for (let i = 0; i < groups.length; i++) {
    const group = index.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
    groups[i] = group;
    squares[group]! += v.data[i]! ** 2;
    for (let axis = index.length - 1; axis >= 0 && ++index[axis]! === v.shape[axis]; axis--) index[axis] = 0;
  }
  const data = Float32Array.from(v.data, (value, i) => (value * g.data[groups[i]!]!) / Math.sqrt(squares[groups[i]!]!));
  return { data, shape: v.shape };
}
