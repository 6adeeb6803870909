/** `random:METHOD`: the method's network as it starts, from a seed. */
import { canonicalJson, createRng, load, type Embedder, type Method, type ModelConfig } from '@unlabel/core';
import { countParams, disposeParams, trainableOf } from '@unlabel/engine';
import { sha256 } from '@unlabel/formats';
import type { NetworkOptions } from '@unlabel/zoo';
import { resolveMethod } from '../pretrain/recipe.ts';
import { methods } from '../registry.ts';
import type { ModelRef } from './resolve.ts';

type RandomRef = Extract<ModelRef, { kind: 'random' }>;

/** The model's config without its backbone, which only building gives. */
export function randomModel(method: Method, ref: RandomRef): Omit<ModelConfig, 'backbone'> {
  const { config } = resolveMethod(method, ref.preset, {});
  const input = method.input(config);
  return {
    schema: 1,
    method: method.id,
    methodConfig: config,
    input: { ...input },
    normalization: typeof input.normalize === 'object' ? input.normalize : null,
    training: { seed: ref.seed, steps: 0, items: 0, sawUnlabelled: [] },
  };
}

/** `v1` counts changes of the initialisation's draws. */
export const randomFingerprint = (described: Omit<ModelConfig, 'backbone'>): string =>
  sha256(Buffer.from(canonicalJson({ described, initialization: 'v1' })));

export async function randomEmbedder(ref: RandomRef): Promise<Embedder> {
  const { networkEmbedder } = await import('@unlabel/zoo');
  return networkEmbedder(await randomNetwork(ref));
}

export async function randomNetwork(ref: RandomRef): Promise<NetworkOptions> {
  const method = await load(methods, ref.method, 'method');
  const described = randomModel(method, ref);
  const { backbone } = method.build(method.config.parse(described.methodConfig), {
    rng: createRng(ref.seed).fork('model'),
  });
  return {
    id: ref.id,
    backbone,
    config: { ...described, backbone: { id: backbone.id, config: { ...backbone.config } } },
    fingerprint: randomFingerprint(described),
    source: `random:${ref.method}@${ref.preset} seed ${ref.seed}`,
  };
}

/** Number of trainable values. */
export function randomParams(method: Method, ref: RandomRef): number {
  const { config } = resolveMethod(method, ref.preset, {});
  const { backbone } = method.build(method.config.parse(config), { rng: createRng(ref.seed).fork('model') });
  const count = countParams(trainableOf(backbone.params));
  disposeParams(backbone.params);
  return count;
}
