import { expect, test } from 'vitest';
import { checkBfloat16, isBfloat16Product } from './bfloat16.ts';

const cpuinfo = (flags: string): string =>
  `processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu ${flags}\nbugs\t\t:\n\nprocessor\t: 1\nmodel name\t: Some CPU\n`;

const all = 'avx avx2 avx512f avx512bw avx512vl avx512dq avx512_bf16';

test('bfloat16 is refused where the CPU would compute in float32, naming what it has', () => {
  for (const flags of [all, `${all} amx_bf16 amx_tile`])
    expect(() => checkBfloat16('tensorflow-cpu', cpuinfo(flags))).not.toThrow();
  const refused = (text: string | undefined, engine = 'tensorflow-cpu') => expect(() => checkBfloat16(engine, text));
  refused(cpuinfo(all.replace('avx512_bf16', 'avx512_vnni'))).toThrow(
    'Some CPU multiplies no bfloat16: expected avx512_bf16, found avx512f.',
  );
  refused(cpuinfo('avx avx2 amx_bf16')).toThrow('expected avx512_bf16, found avx2'); // no CPU is so, but a virtual one may be
  refused(cpuinfo('avx avx2')).toThrow('found avx2. Leave --precision out');
  refused(cpuinfo('sse2')).toThrow('found no vector instructions');
  refused('model name : none\n').toThrow('does not list what its CPU can do');
  refused(cpuinfo(all), 'wasm').toThrow('here the engine is wasm');
  refused(cpuinfo(all), 'tensorflow-cuda').toThrow('here the engine is tensorflow-cuda');
});

test('products of extents of sixteen and more are computed in bfloat16, of float32 alone', () => {
  const info = (shape: number[], dtype: 'float32' | 'int32' = 'float32') => ({ dataId: {}, shape, dtype });
  const is = (a: number[], b: number[], transposeA = false, transposeB = false) =>
    isBfloat16Product({ a: info(a), b: info(b), transposeA, transposeB });
  expect([is([16, 16], [16, 16]), is([2, 16, 20], [20, 16]), is([17, 99], [17, 16], true)]).toEqual([true, true, true]);
  expect([is([15, 16], [16, 16]), is([16, 15], [15, 16]), is([16, 16], [16, 15])]).toEqual([false, false, false]);
  expect([is([99, 20], [15, 20], false, true), is([20, 15], [20, 99], true)]).toEqual([false, false]);
  const [a, b] = [info([16, 16]), info([16, 16], 'int32')];
  expect(isBfloat16Product({ a, b, transposeA: false, transposeB: false })).toBe(false);
});
