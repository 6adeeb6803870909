/** Target of the quantiser's golden: three training steps on given vectors. */
import type { GoldenTarget, GoldenTargets, NdArray, Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { quantize, updateCodebook } from './vector-quantizer.ts';

interface Config {
  readonly n_embed: number;
  readonly embedding_dim: number;
  readonly beta: number;
  readonly decay: number;
}

interface Case {
  readonly input: { readonly key: string; readonly shape: readonly number[]; readonly scale: number };
}

async function read(tensor: Tensor, shape: readonly number[] = tensor.shape): Promise<NdArray> {
  return { data: Float32Array.from(await tensor.data()), shape };
}

/** Rows of unit length, the length in float64. */
export function unitArray({ data, shape }: NdArray): NdArray {
  const [rows = 0, width = 0] = shape;
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) {
    let square = 0;
    for (let j = 0; j < width; j++) square += data[i * width + j]! ** 2;
    for (let j = 0; j < width; j++) out[i * width + j] = data[i * width + j]! / Math.sqrt(square);
  }
  return { data: out, shape };
}

const quantizer: GoldenTarget = {
  async run(golden, tools) {
    const { n_embed: codes, embedding_dim: width, beta, decay } = golden.config as Config;
    const first = unitArray(tools.parameter('quantize.embedding.weight', [codes, width]));
    const codebook = tf.variable(tf.tensor(first.data, [codes, width]), false);
    const clusterSize = tf.variable(tf.zeros([codes]), false);
    const outputs: Record<string, NdArray | number> = {};
    for (const [step, { input }] of (golden.cases as readonly Case[]).entries()) {
      const { data } = tools.tensor(input.key, input.shape, input.scale);
      const z = tf.tensor(data, [...input.shape]);
      const [b = 1, n = 1] = input.shape;
      const { found, labels, unit } = tf.tidy(() => {
        const { codes: chosen, labels: nearest, unit: scaled } = quantize(tf.reshape(z, [b * n, width]), codebook);
        return { found: chosen, labels: nearest, unit: scaled };
      });
      const { value, grad } = tf.valueAndGrad((x: Tensor) =>
        tf.mul(quantize(tf.reshape(x, [b * n, width]), codebook).commitment, beta),
      )(z);
      updateCodebook({ codebook, clusterSize, unit, labels, decay });
      outputs[`step${step}.zq`] = await read(found, input.shape);
      outputs[`step${step}.indices`] = await read(labels);
      outputs[`step${step}.codebook_after`] = await read(codebook);
      outputs[`step${step}.cluster_size_after`] = await read(clusterSize);
      outputs[`step${step}.grad_z_of_commit_loss`] = await read(grad);
      outputs[`step${step}.commit_loss`] = (await value.data())[0]!;
      tf.dispose([z, found, labels, unit, value, grad]);
    }
    tf.dispose([codebook, clusterSize]);
    return outputs;
  },
};

export const quantizerGoldens: GoldenTargets = { 'beats-quantizer-ema': quantizer };
