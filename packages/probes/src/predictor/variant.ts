/** How the two protocols over HEAR’s predictor differ. */

/** What a variant does; each `faithful` value is an oddity of the official tool. */
export interface Variant {
  /** The official loader never shuffles: its test for the name of the training split compares a list with a string. */
  readonly shuffle: boolean;
  /** The declared norm of embeddings is bypassed: they enter as the model gives them. */
  readonly standardize: boolean;
  /**
   * The grid is searched on the first fold only and its winner used on the others, so that what is chosen for fold 1 was chosen on
   * clips it later tests on.
   */
  readonly searchFirstFoldOnly: boolean;
}
