/**
 * Published weights: bare backbones in a shared folder, without a licence (`unlabel zoo ls mt-slvr`). `unlabel zoo import` reads them under
 * their own names. What is trained here is in `checkpoints/`.
 */
export const checkpoints = [] as const;
