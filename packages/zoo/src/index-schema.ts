/** What an index says of checkpoints: where they lie, what they are, under which licence. */
import { z } from 'zod';
import { isCheckpointId } from './find.ts';

/** Plain names: an index never leads out of a folder. */
const fileName = z.string().regex(/^\w[\w.@=+-]{0,199}$/);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

export const indexFileSchema = z.strictObject({
  name: fileName,
  /** In order of preference; share links are turned into direct ones; relative ones begin at the index. */
  addresses: z.array(z.string().min(1)),
  bytes: z.int().positive().nullable(),
  /** null: recorded at the first pull. */
  sha256: hash.nullable(),
  /** Its first digits, where a file's name tells no more. */
  sha256Prefix: z
    .string()
    .regex(/^[0-9a-f]{8,63}$/)
    .optional(),
});
export type IndexFile = z.output<typeof indexFileSchema>;

export const indexEntrySchema = z.strictObject({
  /** `backbone.method_data[_note]` */
  id: z.string().refine(isCheckpointId, 'expected backbone.method_data'),
  title: z.string().min(1),
  method: z.string().min(1),
  /** A checkpoint folder, or one file as its authors publish it. */
  form: z.enum(['checkpoint', 'upstream']),
  /** Key map that imports the authors' file. */
  upstream: z.string().nullable(),
  files: z.array(indexFileSchema).min(1),
  /** Where a person finds it. */
  page: z.url().nullable(),
  licence: z.strictObject({
    /** SPDX id, or what the authors say. */
    id: z.string().min(1),
    /** Restricts use: shown, and accepted once before the first pull. */
    restricted: z.boolean(),
    url: z.url().nullable(),
    text: z.string().optional(),
  }),
  /** Audio or image front-end in one line. */
  frontEnd: z.string().min(1),
  /** As published, and where. */
  scores: z.array(z.strictObject({ task: z.string(), metric: z.string(), value: z.number(), table: z.string() })),
  /** Sheet or repository that these facts come from. */
  source: z.string().min(1),
  notes: z.array(z.string()).default([]),
});
export type IndexEntry = z.output<typeof indexEntrySchema>;

export const indexSchema = z
  .strictObject({ schema: z.literal(1), entries: z.array(indexEntrySchema) })
  .superRefine(({ entries }, context) => {
    for (const { id, form, files } of entries)
      if (form === 'upstream' && files.length !== 1)
        context.addIssue({
          code: 'custom',
          message: `${id}: an authors’ checkpoint is one file, found ${files.length}`,
        });
  });
