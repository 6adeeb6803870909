/** The network a method trains when it is shared with another method, or handed on by one. */
import { canonicalJson, ConfigError, type Backbone, type BuildContext } from '@unlabel/core';
import { disposeParams } from '@unlabel/engine';

/** Fields that say how a new network begins: they do not matter to one that is given. */
const beginnings = new Set(['isZeroInit']);

/**
 * The network a method trains: `context.backbone` where one is given and `build` would make the same, else `build()`.
 * @throws ConfigError when the given one is of another family or config, saying in what they differ
 */
export function networkOf<B extends Backbone>(context: BuildContext, build: () => B): B {
  const own = build();
  const given = context.backbone;
  if (!given) return own;
  disposeParams(own.params);
  const found = given.standsFor ?? given;
  if (found.id !== own.id)
    throw new ConfigError(`the network to share is ${found.id}, and the method trains ${own.id}.`);
  const keys = [...new Set([...Object.keys(found.config), ...Object.keys(own.config)])];
  const differ = keys.filter(
    (key) =>
      !beginnings.has(key) && canonicalJson(found.config[key] ?? null) !== canonicalJson(own.config[key] ?? null),
  );
  if (differ.length > 0) {
    const list = differ.map(
      (key) => `${key} (${JSON.stringify(found.config[key])} there, ${JSON.stringify(own.config[key])} here)`,
    );
    throw new ConfigError(
      `the network to share is another ${own.id} than the method's: it differs in ${list.join(', ')}.`,
    );
  }
  return given as B; // same family and config, or a network that says it stands for that
}
