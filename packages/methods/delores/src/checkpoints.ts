/**
 * Published weights: none. The authors' repositories link no files, although the abstract promises them. Checkpoints that were
 * trained with LAPE can be imported with `fromLape`.
 */
export const checkpoints = [] as const;
