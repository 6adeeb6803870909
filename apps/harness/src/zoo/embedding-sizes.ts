/** How wide a network's embeddings are. */
import { ConfigError, createRng, unknownName, type ModelConfig } from '@unlabel/core';

/**
 * Sizes are the network's to say; it is built for that, without its weights.
 * @throws ConfigError for a family that is not built here
 */
export async function embeddingSizes({
  id,
  config,
}: ModelConfig['backbone']): Promise<{ scene: number; timestamp: number }> {
  const [{ useEngine, disposeParams }, { backboneFamilies }] = await Promise.all([
    import('@unlabel/engine'),
    import('@unlabel/backbones'),
  ]);
  await useEngine();
  const family = backboneFamilies[id];
  if (!family) throw new ConfigError(unknownName('backbone', id, Object.keys(backboneFamilies)));
  const { width, frameWidth, params } = family.build(config, createRng(0));
  disposeParams(params);
  return { scene: width, timestamp: frameWidth };
}
