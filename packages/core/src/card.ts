/** What a method, task or checkpoint says of itself, for `unlabel show`, the README tables and the board. */
import { z } from 'zod';

export const cardSchema = z.strictObject({
  title: z.string(),
  authors: z.string(),
  year: z.int(),
  /** Address of the paper, with the version whose equations are used. */
  paper: z.string(),
  /** `owner/repo/path@commit` that was followed for the constants. */
  code: z.string().optional(),
  /** Licence of the upstream code and weights, in a few words. */
  licence: z.string(),
  modality: z.enum(['audio', 'image', 'audio-visual', 'video', 'series']),
  /** Where this implementation departs from paper or code, one sentence each. */
  differences: z.array(z.string()).default([]),
});
export type Card = z.input<typeof cardSchema>;
