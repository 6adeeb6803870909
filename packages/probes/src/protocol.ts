/** The table of probe protocols. A new one is one file and one line here. */
import { ConfigError, unknownName } from '@unlabel/core';
import { chance } from './chance.ts';
import { knnDino } from './knn/dino-protocol.ts';
import { knn } from './knn/protocol.ts';
import { linear } from './linear/protocol.ts';
import { logistic } from './logistic/protocol.ts';
import { mlp } from './mlp/protocol.ts';
import { hearBetter, hearFaithful } from './predictor/protocol.ts';
import { vocLowShot } from './svm/low-shot-protocol.ts';
import { vocSvm } from './svm/protocol.ts';
import type { MeasuredProtocol, Protocol } from './protocol-types.ts';

/** The protocols by id. */
export const protocols: Readonly<Record<string, Protocol>> = {
  [linear.id]: linear,
  [mlp.id]: mlp,
  [hearFaithful.id]: hearFaithful,
  [hearBetter.id]: hearBetter,
  [knn.id]: knn,
  [logistic.id]: logistic,
  [knnDino.id]: knnDino,
  [vocSvm.id]: vocSvm,
  [chance.id]: chance,
};

/** Protocols with training sets and metrics of their own, by id. */
export const measuredProtocols: Readonly<Record<string, MeasuredProtocol>> = { [vocLowShot.id]: vocLowShot };

/** @throws ConfigError naming the protocols there are */
export function protocolOf(id: string): Protocol {
  const protocol = Object.hasOwn(protocols, id) ? protocols[id] : undefined;
  if (protocol) return protocol;
  throw new ConfigError(unknownName('protocol', id, Object.keys(protocols)));
}
