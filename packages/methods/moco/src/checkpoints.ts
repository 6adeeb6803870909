/** Published weights are listed in `packages/zoo/index/moco-densecl.json` and pulled with `unlabel zoo pull`. */
export const checkpoints = [] as const;
