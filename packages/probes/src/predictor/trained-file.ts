/** A finished grid point as bytes, for the journal: safetensors with what was measured in its metadata. */
import { parseConfig } from '@unlabel/core';
import { encodeSafetensors, parseSafetensors } from '@unlabel/formats';
import { z } from 'zod';
import type { Trained } from './train.ts';

/** JSON has no NaN and no Infinity. */
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const written = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

const metadataSchema = z.object({
  epoch: z.int(),
  monitored: number,
  validationScore: number,
  postProcessing: z.object({ medianFilterMs: z.number(), minDuration: z.number() }).optional(),
});

export function encodeTrained({ weights, epoch, monitored, validationScore, postProcessing }: Trained): Uint8Array {
  const about = {
    epoch,
    monitored: written(monitored),
    validationScore: written(validationScore),
    ...(postProcessing && { postProcessing }),
  };
  return encodeSafetensors(weights, { trained: JSON.stringify(about) });
}

export function decodeTrained(bytes: Uint8Array): Trained {
  const file = parseSafetensors(bytes, 'finished grid point');
  const about = parseConfig(metadataSchema, JSON.parse(file.metadata['trained'] ?? '{}'), 'finished grid point');
  const weights = Object.fromEntries(
    file.names.map((name) => {
      const { data, shape } = file.read(name);
      return [name, { data: Float32Array.from(data as Float32Array), shape }];
    }),
  );
  return { ...about, weights };
}
