/** Other projects' names for AudioNTT's parameters. Ours are BYOL-A's: `features.0.weight`, `fc.3.bias`. */

/**
 * A foreign name → ours, or undefined for tensors of other parts (projectors, key networks, queues). Understood:
 * - BYOL-A, BYOL-S: `features.0.weight`, with any of the prefixes `module.`, `encoder.`, `backbone.`
 * - LAPE (Lightning): `encoder.encoder.features_1.0.weight` (DeLoRes-S), `encoder_q.encoder.features_1.0.weight` (DeLoRes-M)
 * - the first DeLoRes release: `module.features.0.weight`
 */
export function audioNttName(foreign: string): string | undefined {
  const name = foreign.replace(/^(?:(?:module|encoder|encoder_q|backbone|model)\.)+/, '');
  const stage = /^features_([1-3])\.([01])\.(.+)$/.exec(name);
  if (stage) return `features.${4 * (Number(stage[1]) - 1) + Number(stage[2])}.${stage[3]}`;
  // LAPE's `fc.weight` is the contrastive layer of DeLoRes-M, not one of the two linear layers here
  return /^(?:features\.(?:0|1|4|5|8|9)|fc\.[03])\.[a-z_]+$/.test(name) ? name : undefined;
}

/** Our name → LAPE's, below `prefix` (`encoder.encoder`). */
export function lapeName(name: string, prefix = 'encoder.encoder'): string {
  const stage = /^features\.(\d+)\.(.+)$/.exec(name);
  if (!stage) return `${prefix}.${name}`;
  const index = Number(stage[1]);
  return `${prefix}.features_${Math.floor(index / 4) + 1}.${index % 4}.${stage[2]}`;
}
