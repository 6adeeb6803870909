import { expect, test } from 'vitest';
import { checkBfloat16 } from './bfloat16.ts';

const cpuinfo = (flags: string): string =>
  `processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu ${flags}\nbugs\t\t:\n\nprocessor\t: 1\nmodel name\t: Some CPU\n`;

test('bfloat16 is refused where the CPU would compute in float32, naming what it has', () => {
  for (const flags of ['avx avx2 avx512f avx512_bf16', 'avx2 avx512f amx_bf16 amx_tile'])
    expect(() => checkBfloat16('tensorflow-cpu', cpuinfo(flags))).not.toThrow();
  const refused = (text: string | undefined, engine = 'tensorflow-cpu') => expect(() => checkBfloat16(engine, text));
  refused(cpuinfo('avx avx2 avx512f avx512_vnni')).toThrow(
    'Some CPU multiplies no bfloat16: expected avx512_bf16 or amx_bf16, found avx512f.',
  );
  refused(cpuinfo('avx avx2')).toThrow('found avx2. Leave --precision out');
  refused(cpuinfo('sse2')).toThrow('found no vector instructions');
  refused('model name : none\n').toThrow('does not list what its CPU can do');
  refused(cpuinfo('amx_bf16'), 'wasm').toThrow('here the engine is wasm');
  refused(cpuinfo('amx_bf16'), 'tensorflow-cuda').toThrow('here the engine is tensorflow-cuda');
});
