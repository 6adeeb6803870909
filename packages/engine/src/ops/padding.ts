/** Zeros on each side of an image, as torch counts them, in TensorFlow.js' words. */
export type Padding = 'valid' | [[0, 0], [number, number], [number, number], [0, 0]];

export const zerosAround = (width: number): Padding =>
  width === 0 ? 'valid' : [[0, 0], [width, width], [width, width], [0, 0]]; // prettier-ignore
