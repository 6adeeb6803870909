/**
 * `precision: 'bf16'`: products of matrices round both operands to bfloat16 and sum in float32 (`ops/bfloat16_matmul.cc`); convolutions are in
 * `bfloat16-conv.ts`. TensorFlow's own products ignore oneDNN's bfloat16 mode, and its convolutions follow it on CPUs with AMX only.
 */
import type * as tfjs from '@tensorflow/tfjs-core';
import { DeviceError, messageOf } from '@unlabel/core';
import { flagsOf, readCpuinfo } from './cpu-flags.ts';
import type { NodeBackend } from './kernels.ts';

/** Flags of x86 CPUs, as Linux lists them, that the products need; a CPU with AMX has them too. */
const bfloat16Flags = ['avx512_bf16', 'avx512f', 'avx512bw', 'avx512vl', 'avx512dq'] as const;

/** Instruction sets to name when those are missing. */
const vectorFlags = ['avx512f', 'avx2', 'avx'] as const;

const advice = 'Leave --precision out to compute in float32.';

/**
 * Refuses bfloat16 where it would change nothing: results would say bf16 and be float32.
 * @param engine what computes: `tensorflow-cpu` can
 * @param cpuinfo text of `/proc/cpuinfo`
 * @throws DeviceError naming what was found and what to do
 */
export function checkBfloat16(engine: string, cpuinfo: string | undefined = readCpuinfo()): void {
  if (engine !== 'tensorflow-cpu')
    throw new DeviceError(`precision bf16 is for the native engine on a CPU; here the engine is ${engine}. ${advice}`);
  const flags = flagsOf(cpuinfo);
  if (!flags)
    throw new DeviceError(`precision bf16: this system does not list what its CPU can do (/proc/cpuinfo). ${advice}`);
  if (bfloat16Flags.every((flag) => flags.has(flag))) return;
  const model = /^model name\s*:\s*(.+)$/m.exec(cpuinfo!)?.[1] ?? 'the CPU';
  const best = vectorFlags.find((flag) => flags.has(flag)) ?? 'no vector instructions';
  throw new DeviceError(
    `precision bf16: ${model} multiplies no bfloat16: expected ${bfloat16Flags[0]}, found ${best}. ${advice}`,
  );
}

/** Whether oneDNN's convolutions, which gradients still are, round their inputs when its mode says so: where the CPU has AMX. */
export const hasBfloat16Mode = (cpuinfo: string | undefined = readCpuinfo()): boolean =>
  flagsOf(cpuinfo)?.has('amx_bf16') === true;

/** Products with an extent below this stay float32: rounding and packing would cost as much as they save. */
export const SMALLEST = 16;

export interface ProductCall {
  readonly a: tfjs.TensorInfo;
  readonly b: tfjs.TensorInfo;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Whether a product is computed in bfloat16: by its shape alone. a […, M, K], b […, K, N] */
export function isBfloat16Product({ a, b, transposeA, transposeB }: ProductCall): boolean {
  if (a.dtype !== 'float32' || b.dtype !== 'float32') return false;
  const m = a.shape.at(transposeA ? -1 : -2)!;
  const k = a.shape.at(transposeA ? -2 : -1)!;
  const n = b.shape.at(transposeB ? -2 : -1)!;
  return Math.min(m, k, n) >= SMALLEST;
}

/** relu(a·b + bias) of a product that `isBfloat16Product`. */
export function bfloat16Product(
  tf: typeof tfjs,
  backend: NodeBackend,
  { a, b, ...transposed }: ProductCall,
  finish: { readonly bias?: tfjs.TensorInfo | undefined; readonly relu?: boolean } = {},
): tfjs.Tensor {
  const { binding } = backend;
  const bias = finish.bias ?? tf.zeros([0]);
  const flags = { ...transposed, relu: finish.relu === true };
  const attrs = Object.entries(flags).map(([name, value]) => ({ name, type: binding.TF_ATTR_BOOL, value }));
  const product = backend.executeSingleOutput('UnlabelBfloat16MatMul', attrs, [a, b, bias]);
  if (!finish.bias) (bias as tfjs.Tensor).dispose();
  return product;
}

/** Puts the product in front of TensorFlow's for `tf.matMul`, gradients included; what is small or not float32 stays with TensorFlow. */
export function registerBfloat16(tf: typeof tfjs): void {
  const kernelName = tf.BatchMatMul;
  const stock = tf.getKernel(kernelName, 'tensorflow')!.kernelFunc;
  tf.unregisterKernel(kernelName, 'tensorflow');
  tf.registerKernel({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: (args) => {
      const { a, b } = args.inputs as { a: tfjs.TensorInfo; b: tfjs.TensorInfo };
      const { transposeA, transposeB } = args.attrs as unknown as tfjs.BatchMatMulAttrs;
      const call = { a, b, transposeA, transposeB };
      return isBfloat16Product(call) ? bfloat16Product(tf, args.backend as NodeBackend, call) : stock(args);
    },
  });
}

/**
 * One product whose operands lie between two bfloat16 numbers: the engine rounds them, or does not compute in bfloat16.
 * @throws DeviceError where it does not
 */
export function proveBfloat16(tf: typeof tfjs): void {
  let found = 'no number';
  try {
    const x = tf.fill([SMALLEST, SMALLEST], 1 + 2 ** -9);
    const [y] = tf.tidy(() => tf.matMul(x as tfjs.Tensor2D, x as tfjs.Tensor2D).dataSync<'float32'>());
    x.dispose();
    if (y === SMALLEST) return;
    found = String(y);
  } catch (error) {
    found = messageOf(error);
  }
  throw new DeviceError(
    `precision bf16: this engine was compiled without bfloat16 products (found ${found}). GCC 10 and clang 9 know them: install a newer ` +
      `compiler and run \`unlabel engine install --force\`. ${advice}`,
  );
}
