/** Published weights are listed in `packages/zoo/index/simclr-byol-dino-swav-vicreg.json` and pulled with `unlabel zoo pull`. */
export const checkpoints = [] as const;
