/** Published weights are listed in `packages/zoo/index/barlow-twins.json` and pulled with `unlabel zoo pull`. */
export const checkpoints = [] as const;
