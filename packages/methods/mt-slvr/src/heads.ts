/** The heads of both tasks, under the authors' names; thrown away after pre-training. Legend: B rows, O width of a task's output. */
import type { Params, Rng, Scalar, Tensor } from '@unlabel/core';
import { mergeParams, prefixed, tf } from '@unlabel/engine';
import { batchNorm, linear, sequential, type Layer } from '@unlabel/nn';
import { binaryCrossEntropy, ntXent, simSiam } from '@unlabel/objectives';

export interface ContrastiveHead {
  readonly params: Params;
  /** r [2B, O]: both views' representations, one after the other. */
  loss(r: Tensor): Scalar;
}

/** Linear and batch norm, and a ReLU where `relu`; named `0`, `1`. */
const unit = (inputs: number, outputs: number, rng: Rng, relu = true): Layer =>
  sequential([linear(inputs, outputs, rng), batchNorm(outputs, { relu })]);

/** Layers one after the other, named `layer1`, `layer2`, … */
function chain(layers: readonly Layer[]): Layer {
  return {
    params: mergeParams(...layers.map((layer, i) => prefixed(`layer${i + 1}`, layer.params))),
    forward: (x, options) => layers.reduce((h, layer) => layer.forward(h, options), x),
  };
}

/** SimCLR: Linear(O, O) – ReLU – Linear(O, 256), NT-Xent. */
export function simClrHead(inputs: number, outputs: number, temperature: number, rng: Rng): ContrastiveHead {
  const first = linear(inputs, inputs, rng.fork('layer1'), { relu: true });
  const projector = chain([sequential([first]), linear(inputs, outputs, rng.fork('layer2'))]);
  return {
    params: prefixed('cont_projector', projector.params),
    loss(r) {
      const [z1, z2] = tf.split(projector.forward(r, { training: true }), 2) as [Tensor, Tensor];
      return ntXent(z1, z2, { temperature }).loss;
    },
  };
}

/** SimSiam: three layers of `width` with norms (also behind the last), predictor width → width/4 → width. */
export function simSiamHead(inputs: number, width: number, rng: Rng): ContrastiveHead {
  const projector = chain([
    unit(inputs, width, rng.fork('projector.1')),
    unit(width, width, rng.fork('projector.2')),
    unit(width, width, rng.fork('projector.3'), false),
  ]);
  const hidden = Math.max(1, Math.floor(width / 4));
  const predictor = chain([
    unit(width, hidden, rng.fork('predictor.1')),
    linear(hidden, width, rng.fork('predictor.2')),
  ]);
  return {
    params: mergeParams(prefixed('cont_projector', projector.params), prefixed('cont_predictor', predictor.params)),
    loss(r) {
      const options = { training: true, groups: 2 }; // each view by its own statistics
      const z = projector.forward(r, options);
      const [z1, z2] = tf.split(z, 2) as [Tensor, Tensor];
      const [p1, p2] = tf.split(predictor.forward(z, options), 2) as [Tensor, Tensor];
      return simSiam({ p1, p2, z1, z2 });
    },
  };
}

export interface PredictiveHead {
  readonly params: Params;
  /** r [2B, O] and the labels [B, 7] that both views share. */
  loss(r: Tensor, labels: Tensor): Scalar;
}

/** Which transforms a recording went through: O → 256 → 64 → 16 → 7, cross entropy of each bit. */
export function predictiveHead(inputs: number, rng: Rng): PredictiveHead {
  const widths = [inputs, 256, 64, 16] as const;
  const hidden = [1, 2, 3].map((i) => unit(widths[i - 1]!, widths[i]!, rng.fork(i)));
  const predictor = chain([...hidden, sequential([linear(16, 7, rng.fork(4))])]);
  return {
    params: prefixed('predict_projector', predictor.params),
    loss: (r, labels) => binaryCrossEntropy(predictor.forward(r, { training: true }), tf.concat([labels, labels])),
  };
}
