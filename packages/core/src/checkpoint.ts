/** The kept network on disk: a folder with `model.safetensors` (torch names and layouts) and this as `config.json`. */
import { z } from 'zod';

const jsonObject = z.record(z.string(), z.unknown());

export const modelConfigSchema = z.strictObject({
  schema: z.literal(1),
  method: z.string(),
  methodConfig: jsonObject,
  backbone: z.strictObject({ id: z.string(), config: jsonObject }),
  /** `InputSpec` of the method: rate, front-end. */
  input: jsonObject,
  /** Values of one embedding; 0 where there is none. Written by exports. */
  embedding: z.strictObject({ scene: z.int().nonnegative(), timestamp: z.int().nonnegative() }).optional(),
  normalization: z.strictObject({ mean: z.number(), std: z.number().positive() }).nullable(),
  /** Where it comes from. */
  training: z.strictObject({
    seed: z.int(),
    /** Optimiser steps done; 0 is the random initialisation. */
    steps: z.int(),
    items: z.int(),
    /** Ids of tasks whose clips were among the unlabelled training audio. */
    sawUnlabelled: z.array(z.string()),
  }),
});
export type ModelConfig = z.output<typeof modelConfigSchema>;
