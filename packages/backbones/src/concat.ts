/** Several networks over one input: features side by side, and each one's apart as a branch. Legend: B rows, D width, T frames. */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type Features,
  type Tensor,
} from '@unlabel/core';
import { mergeParams, prefixed, tf } from '@unlabel/engine';
import { buildDescribed, describe, type FamilyOf } from './progressive.ts';

const schema = z.strictObject({
  parts: z.array(z.strictObject({ id: z.string(), config: z.record(z.string(), z.unknown()) })).min(1),
});

/** `config.parts`: id and config of each network. */
export const concatFamily = (familyOf: FamilyOf): BackboneFamily => ({
  id: 'concat',
  build: (config, rng) =>
    concat(parseConfig(schema, config, 'concat').parts.map((part, i) => buildDescribed(familyOf, part, rng.fork(i)))),
});

/**
 * clip [B, ΣD] in the order of `parts`; frames [B, T, ΣD] when all have them at one rate; a map [B, H, W, ΣC] of every part's of that
 * name. Owns the networks.
 * @throws ConfigError when the parts lose different numbers of frames
 */
export function concat(parts: readonly Backbone[]): Backbone {
  const [first] = parts;
  if (!first) throw new ConfigError('concat: expected at least one network.');
  const hasFrames = parts.every(
    ({ frameWidth, frameStride, lostFrames = 0 }) =>
      frameWidth > 0 && frameStride === first.frameStride && lostFrames === (first.lostFrames ?? 0),
  );
  const sum = (widths: readonly number[]): number => widths.reduce((total, width) => total + width, 0);
  return {
    id: 'concat',
    config: { parts: parts.map(describe) },
    params: mergeParams(...parts.map((part, i) => prefixed(String(i), part.params))),
    width: sum(parts.map(({ width }) => width)),
    frameWidth: hasFrames ? sum(parts.map(({ frameWidth }) => frameWidth)) : 0,
    frameStride: Math.max(...parts.map(({ frameStride }) => frameStride)),
    ...(first.lostFrames !== undefined && { lostFrames: Math.max(...parts.map(({ lostFrames = 0 }) => lostFrames)) }),
    forward(x, options): Features {
      const features = parts.map((part) => part.forward(x, options));
      const clips = features.map(({ clip }) => clip);
      const frames = features.flatMap(({ frames: own }): Tensor[] => (own ? [own] : []));
      return {
        clip: tf.concat(clips, 1),
        ...(hasFrames && { frames: tf.concat(frames, 2) }),
        ...(options.maps && { maps: mapsOf(options.maps, features) }),
        branches: Object.fromEntries(clips.map((clip, i) => [String(i), clip])),
      };
    },
    clone: () => concat(parts.map((part) => part.clone())),
  };
}

/** Maps that all parts offer, side by side. */
function mapsOf(names: readonly string[], features: readonly Features[]): Record<string, Tensor> {
  const found = names.map((name) => [name, features.flatMap(({ maps }) => maps?.[name] ?? [])] as const);
  return Object.fromEntries(
    found.flatMap(([name, maps]) => (maps.length === features.length ? [[name, tf.concat(maps as Tensor[], 3)]] : [])),
  );
}
