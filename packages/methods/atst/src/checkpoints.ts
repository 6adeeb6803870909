/**
 * Published weights by their ids in the zoo's index: `npx unlabel zoo pull ID` imports the teacher of either layout (Lightning, and the
 * DINO-style file of Clip base).
 */
export const checkpoints = [
  'ast_small.atst-clip_audioset200k',
  'ast_base.atst-clip_audioset',
  'ast_small.atst-frame_audioset200k',
  'ast_base.atst-frame_audioset',
] as const;
