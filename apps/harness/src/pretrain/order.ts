/** Which item stands at which position of training: a function of the seed alone, so that any step can be made again. */
import type { Rng } from '@unlabel/core';

export interface TrainingOrder {
  /** Item index at `position` (0…); each epoch visits every item once, in a fresh order. */
  itemAt(position: number): number;
  /** The stream of a position's draws. */
  rngAt(position: number): Rng;
}

/** Orders of at most this many epochs are kept: a batch and its look-back touch two or three. */
const keptEpochs = 4;

export function createOrder(root: Rng, size: number): TrainingOrder {
  const orders = new Map<number, Uint32Array>();
  const orderOf = (epoch: number): Uint32Array => {
    let order = orders.get(epoch);
    if (!order) {
      order = root.fork('order').fork(epoch).permutation(size);
      orders.set(epoch, order);
      if (orders.size > keptEpochs) orders.delete(Math.min(...orders.keys()));
    }
    return order;
  };
  const positions = root.fork('position');
  return {
    itemAt: (position) => orderOf(Math.floor(position / size))[position % size]!,
    rngAt: (position) => positions.fork(position),
  };
}
