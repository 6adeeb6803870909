/**
 * Units of the golden steps that stand within 1e-5 of a ReLU's kink in float64, and the side that the recorded run has them on. Rounding
 * decides it in float32, and one unit on the other side moves the gradient of the first convolution by up to 935 times its bound; all else
 * is met at a third of it. `tools/fixtures/mt_slvr_kinks.py` finds the units, and which of them the recorded run has turned: the two
 * units of `parallel` above 0 whose side is −1, and SimSiam's of `none`. With those the float64 gradients meet the golden's.
 */
import type { Params } from '@unlabel/core';
import { tf } from '@unlabel/engine';

/** Offset of the norm before the unit, the unit's channel, its value in float64, and its recorded side. */
export type Kink = readonly [offset: string, channel: number, value: number, side: 1 | -1];

const plain: readonly Kink[] = [
  ['backbone.layer2.1.bn1.bias', 118, -8.27e-7, -1],
  ['backbone.layer2.0.bn1.bias', 67, -2.08e-6, -1],
  ['backbone.layer1.1.bn1.bias', 10, 3.04e-6, 1],
  ['backbone.layer4.1.bn2.bias', 295, -3.48e-6, -1],
  ['backbone.layer1.0.bn1.bias', 57, 4.38e-6, 1],
  ['backbone.layer1.1.bn1.bias', 5, 7.83e-6, 1],
  ['backbone.layer1.1.bn1.bias', 14, -8.21e-6, -1],
];

const parallel: readonly Kink[] = [
  ['backbone.layer3.1.conv2.bns.0.bias', 202, 4.66e-7, -1],
  ['backbone.layer3.0.conv2.bns.0.bias', 103, 1.08e-6, -1],
  ['backbone.layer2.0.conv1.bns.0.bias', 115, 1.44e-6, 1],
  ['backbone.layer2.0.conv2.bns.0.bias', 119, -2.42e-6, -1],
  ['backbone.layer2.1.conv1.bns.0.bias', 44, -4.68e-6, -1],
  ['backbone.layer1.1.conv2.bns.0.bias', 1, 5.14e-6, 1],
  ['backbone.layer3.1.conv1.bns.0.bias', 115, 5.73e-6, 1],
  ['backbone.layer1.0.conv1.bns.0.bias', 57, -7.44e-6, -1],
  ['backbone.layer3.1.conv2.bns.0.bias', 136, 7.83e-6, 1],
  ['backbone.layer1.0.conv1.bns.0.bias', 5, -9.63e-6, -1],
];

export const kinks: Readonly<Record<string, readonly Kink[]>> = {
  'none simclrv1': plain,
  'none simsiam': [...plain, ['cont_projector.layer2.1.bias', 592, 4.9e-6, -1]],
  'split simclrv1': plain,
  'bn simclrv1': [
    ['backbone.layer3.1.conv1.bns.0.bias', 60, -1.01e-6, -1],
    ['backbone.layer2.1.conv1.bns.1.bias', 115, -1.36e-6, -1],
    ['backbone.layer2.1.conv1.bns.0.bias', 97, 3.49e-6, 1],
    ['backbone.layer2.1.conv1.bns.0.bias', 95, -4.56e-6, -1],
    ['backbone.layer2.0.conv2.bns.1.bias', 12, -5.21e-6, -1],
    ['backbone.layer3.1.conv2.bns.1.bias', 161, -6.04e-6, -1],
    ['backbone.layer1.1.conv1.bns.0.bias', 13, -7.77e-6, -1],
    ['backbone.layer3.0.conv2.bns.1.bias', 152, -8.19e-6, -1],
    ['backbone.layer1.1.conv1.bns.0.bias', 56, -8.36e-6, -1],
  ],
  'series simclrv1': [
    ['backbone.layer1.0.conv1.bns.0.1.bias', 44, -1.73e-7, -1],
    ['backbone.layer2.1.conv1.bns.0.1.bias', 5, -5.82e-7, -1],
    ['backbone.layer3.1.conv1.bns.1.1.bias', 159, 1.33e-6, 1],
    ['backbone.layer3.0.conv2.bns.1.1.bias', 233, -1.41e-6, -1],
    ['backbone.layer1.1.conv1.bns.0.1.bias', 54, 5.15e-6, 1],
    ['backbone.layer2.0.conv1.bns.1.1.bias', 5, 5.47e-6, 1],
    ['backbone.layer3.0.conv2.bns.0.1.bias', 214, -6.41e-6, -1],
    ['backbone.layer3.1.conv1.bns.1.1.bias', 64, 7.76e-6, 1],
    ['backbone.layer3.0.conv2.bns.0.1.bias', 135, -8.1e-6, -1],
    ['backbone.layer2.1.conv1.bns.0.1.bias', 122, -8.55e-6, -1],
    ['backbone.layer1.1.conv2.bns.0.1.bias', 56, -8.91e-6, -1],
    ['backbone.layer2.1.conv2.bns.1.1.bias', 90, 9.14e-6, 1],
    ['backbone.layer1.0.conv1.bns.0.1.bias', 56, -9.56e-6, -1],
  ],
  'parallel simclrv1': parallel,
  'parallel simsiam': [...parallel, ['cont_projector.layer1.1.bias', 1723, 5.43e-8, 1]],
};

/** Moves the units' offsets, by at most 2e-5, so that they stand 1e-5 on their side. */
export function settleKinks(params: Params, list: readonly Kink[]): void {
  for (const [name, channel, value, side] of list) {
    const offset = params.get(name)!;
    const shift = new Float32Array(offset.size);
    shift[channel] = side * 1e-5 - value;
    tf.tidy(() => offset.assign(tf.add(offset, tf.tensor1d(shift))));
  }
}
