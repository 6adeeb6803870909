/**
 * A progressive column: a new network beside a frozen one. After each stage of the new column a 1×1 convolution of the frozen column's
 * map of that stage is added to its own; features are the new column's.
 *
 * Rusu et al., "Progressive Neural Networks", arXiv 1606.04671v4 (Eq. 1, without the nonlinearity of its adapters: the map that is
 * added to has passed one, and the next layer of the column has one). The frozen column may be progressive itself.
 *
 * Legend: B rows, H, W map, C channels of a stage.
 */
import { z } from 'zod';
import { ConfigError, parseConfig, type Backbone, type BackboneFamily, type Rng, type Tensor } from '@unlabel/core';
import { copyParams, mergeParams, prefixed, withoutGradient, tf } from '@unlabel/engine';
import { conv2d } from '@unlabel/nn';

const described = z.strictObject({ id: z.string(), config: z.record(z.string(), z.unknown()) });
const schema = z.strictObject({ frozen: described, column: described });

export type FamilyOf = (id: string) => BackboneFamily | undefined;

/** `config.frozen` and `config.column`: id and config of the two networks. */
export const progressiveFamily = (familyOf: FamilyOf): BackboneFamily => ({
  id: 'progressive',
  build(config, rng) {
    const { frozen, column } = parseConfig(schema, config, 'progressive');
    return progressive(
      buildDescribed(familyOf, frozen, rng.fork('frozen')),
      buildDescribed(familyOf, column, rng.fork('column')),
      rng,
    );
  },
});

export function buildDescribed(familyOf: FamilyOf, { id, config }: z.output<typeof described>, rng: Rng): Backbone {
  const family = familyOf(id);
  if (!family) throw new ConfigError(`backbone "${id}" is unknown.`);
  return family.build(config, rng);
}

/**
 * The new column with its laterals; owns both networks. Every variable of `frozen` is marked as not trainable.
 * @throws ConfigError when a network has no stages to connect, or theirs differ
 */
export function progressive(frozen: Backbone, column: Backbone, rng: Rng): Backbone {
  const widths = column.mapWidths;
  if (!widths)
    throw new ConfigError(`${column.id}: its stages cannot be connected, so there is no progressive column of it.`);
  if (JSON.stringify(frozen.mapWidths) !== JSON.stringify(widths)) {
    throw new ConfigError(
      `progressive: the frozen column has stages ${JSON.stringify(frozen.mapWidths)}, the new one ${JSON.stringify(widths)}; they must be the same.`,
    );
  }
  for (const variable of frozen.params.values()) variable.trainable = false;
  const names = Object.keys(widths);
  const adapters = names.map((name) =>
    conv2d(widths[name]!, widths[name]!, 1, rng.fork(`lateral.${name}`), { hasBias: false }),
  );
  const params = mergeParams(
    prefixed('frozen', frozen.params),
    prefixed('column', column.params),
    ...names.map((name, i) => prefixed(`lateral.${name}`, adapters[i]!.params)),
  );
  return {
    id: 'progressive',
    config: { frozen: describe(frozen), column: describe(column) },
    standsFor: column.standsFor ?? describe(column),
    params,
    width: column.width,
    frameWidth: column.frameWidth,
    frameStride: column.frameStride,
    ...(column.lostFrames !== undefined && { lostFrames: column.lostFrames }),
    mapWidths: widths,
    forward(x, options) {
      const { maps = {} } = withoutGradient(() => frozen.forward(x, { training: false, maps: names }));
      const lateral = (name: string, own: Tensor): Tensor => {
        const sum = tf.add(own, adapters[names.indexOf(name)]!.forward(maps[name]!, { training: options.training })); // [B, H, W, C]
        return options.lateral ? options.lateral(name, sum) : sum;
      };
      return column.forward(x, { ...options, lateral });
    },
    clone() {
      const copy = progressive(frozen.clone(), column.clone(), rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

export const describe = ({ id, config }: Backbone): { id: string; config: Record<string, unknown> } => ({
  id,
  config: { ...config },
});
