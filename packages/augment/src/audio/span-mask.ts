/**
 * Masks of spans of tokens, which may overlap: wav2vec 2.0 (Baevski et al., arXiv 2006.11477v3, §3.1) as fairseq's
 * `compute_mask_indices` draws them for one clip (`static` spans, overlap allowed); ATST-Frame's block masks.
 */
import { ConfigError, type Rng } from '@unlabel/core';

export interface SpanMaskOptions {
  /** Tokens in spans over tokens in all, overlaps counted twice; the share that is masked is smaller: about 1 − e^−probability. */
  readonly probability: number;
  /** Tokens a span. */
  readonly span: number;
  /** Default 2. */
  readonly minSpans?: number;
}

/**
 * 1 where a token is masked [count]. ⌊probability·count/span + U(0, 1)⌋ spans begin at different tokens, none so late that it would be
 * cut; where there are too few tokens for that many beginnings, spans at the end are cut.
 */
export function spanMask(count: number, { probability, span, minSpans = 2 }: SpanMaskOptions, rng: Rng): Uint8Array {
  if (!(probability > 0 && probability <= 1) || !(span >= 1) || count <= minSpans) {
    throw new ConfigError(
      `spanMask: ${count} tokens, probability ${probability}, span ${span}; expected more tokens, 0…1, ≥ 1`,
    );
  }
  const spans = Math.min(count - 1, Math.max(minSpans, Math.floor((probability * count) / span + rng.uniform())));
  const beginnings = count - span > spans ? count - span : spans + 1;
  const mask = new Uint8Array(count);
  for (const first of rng.permutation(beginnings).subarray(0, spans)) mask.fill(1, first, first + span);
  return mask;
}
