/** Complex numbers on the embedded engine: Complex, Real, Imag, ComplexAbs, FFT, IFFT, and arithmetic on complex tensors. */
import type * as tfjs from '@tensorflow/tfjs-core';
import type { HeapBackend } from './heap.ts';
import { fourier } from './fft.ts';

type Tf = typeof tfjs;
type Info = tfjs.TensorInfo;

/** Register the complex kernels, teach the stock arithmetic kernels complex64, and let Identity share instead of copy. */
export function registerComplex(tf: Tf): void {
  const register = (kernelName: string, run: (inputs: Record<string, Info>, backend: HeapBackend) => Info): void =>
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, backend }) => run(inputs as Record<string, Info>, backend as HeapBackend),
    });
  register('Complex', (inputs, backend) => backend.makeComplex(inputs['real']!, inputs['imag']!));
  register('Real', (inputs, backend) => {
    const input = inputs['input']!;
    return { ...share(backend.complexParts(input).real, backend), shape: input.shape };
  });
  register('Imag', (inputs, backend) => {
    const input = inputs['input']!;
    return { ...share(backend.complexParts(input).imag, backend), shape: input.shape };
  });
  register('ComplexAbs', (inputs, backend) => {
    const { real, imag } = read(inputs['x']!, backend);
    const values = real.map((re, i) => Math.hypot(re, imag[i]!));
    return backend.makeOutput(inputs['x']!.shape, 'float32', undefined, values);
  });
  for (const [name, isInverse] of [
    ['FFT', false],
    ['IFFT', true],
  ] as const) {
    register(name, (inputs, backend) => {
      const input = inputs['input']!;
      const { real, imag } = read(input, backend);
      fourier(real, imag, input.shape.at(-1) ?? 1, isInverse);
      return write(real, imag, input.shape, backend);
    });
  }
  tf.unregisterKernel('Identity', 'wasm');
  register('Identity', (inputs, backend) => share(inputs['x']!, backend));
  registerArithmetic(tf);
}

const share = (info: Info, backend: HeapBackend): Info => {
  backend.incRef(info.dataId);
  return { dataId: info.dataId, shape: info.shape, dtype: info.dtype };
};

/** Copies of the two parts. */
function read(info: Info, backend: HeapBackend): { real: Float32Array; imag: Float32Array } {
  const { real, imag } = backend.complexParts(info);
  return { real: backend.readSync(real.dataId) as Float32Array, imag: backend.readSync(imag.dataId) as Float32Array };
}

function write(real: Float32Array, imag: Float32Array, shape: number[], backend: HeapBackend): Info {
  const parts = [real, imag].map((values) => backend.makeOutput(shape, 'float32', undefined, values));
  const result = backend.makeComplex(parts[0]!, parts[1]!);
  for (const part of parts) backend.disposeData(part.dataId); // owned by the result now
  return result;
}

/** Add, Sub and Multiply of complex tensors by the real kernels; Cast from and to complex64. */
function registerArithmetic(tf: Tf): void {
  const complexOnly = (kernelName: string, run: (a: tfjs.Tensor, b: tfjs.Tensor) => tfjs.Tensor): void => {
    const stock = tf.getKernel(kernelName, 'wasm');
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      ...stock,
      kernelFunc: (args) => {
        const { a, b } = args.inputs as { a: tfjs.Tensor; b: tfjs.Tensor };
        return a.dtype === 'complex64' || b.dtype === 'complex64' ? tf.tidy(() => run(a, b)) : stock.kernelFunc(args);
      },
    });
  };
  const re = (x: tfjs.Tensor): tfjs.Tensor => (x.dtype === 'complex64' ? tf.real(x) : tf.cast(x, 'float32'));
  const im = (x: tfjs.Tensor): tfjs.Tensor => (x.dtype === 'complex64' ? tf.imag(x) : tf.zeros(x.shape));
  complexOnly('Add', (a, b) => tf.complex(tf.add(re(a), re(b)), tf.add(im(a), im(b))));
  complexOnly('Sub', (a, b) => tf.complex(tf.sub(re(a), re(b)), tf.sub(im(a), im(b))));
  complexOnly('Multiply', (a, b) =>
    tf.complex(tf.sub(tf.mul(re(a), re(b)), tf.mul(im(a), im(b))), tf.add(tf.mul(re(a), im(b)), tf.mul(im(a), re(b)))),
  );

  const cast = tf.getKernel('Cast', 'wasm');
  tf.unregisterKernel('Cast', 'wasm');
  tf.registerKernel({
    ...cast,
    kernelFunc: (args) => {
      const x = args.inputs['x'] as tfjs.Tensor;
      const dtype = args.attrs?.['dtype'] as tfjs.DataType;
      if (x.dtype !== 'complex64' && dtype !== 'complex64') return cast.kernelFunc(args);
      if (x.dtype === dtype) return share(x, args.backend as HeapBackend);
      return tf.tidy(() => (dtype === 'complex64' ? tf.complex(re(x), im(x)) : tf.cast(tf.real(x), dtype)));
    },
  });
}
