/** Something measured at a few steps of training, beside the loss. */
export interface Meter {
  /** Measure the network as it is after `step` steps, when a point is due there. */
  at(step: number): Promise<void>;
  finish(): Promise<void>;
}
