/**
 * Top-1, pitch and chroma accuracy (HEAR 2021). The class of a clip is the first maximum of its scores; the true class is the
 * first of its labels, and class 0 for a multilabel clip without any, because heareval takes argmax of the multi-hot target.
 */
import { defineMetric, type Metric, type MetricInput, type Scorer } from './metric.ts';

/** Index of the first maximum of `scores[from … from + length)`, relative to `from`. */
export function argmax(scores: ArrayLike<number>, from = 0, length = scores.length - from): number {
  let best = 0;
  for (let c = 1; c < length; c++) if (scores[from + c]! > scores[from + best]!) best = c;
  return best;
}

function accuracy(input: MetricInput, sameClass: (predicted: number, target: number) => boolean): Scorer {
  const { scores, labels, classes } = input;
  const isCorrect = Uint8Array.from(labels, (row, i) => {
    const target = row.length === 0 ? 0 : Math.min(...row);
    return sameClass(argmax(scores, i * classes, classes), target) ? 1 : 0;
  });
  return (counts) => {
    let correct = 0;
    let total = 0;
    for (let i = 0; i < isCorrect.length; i++) {
      const count = counts === undefined ? 1 : counts[i]!;
      total += count;
      correct += count * isCorrect[i]!;
    }
    return correct / total;
  };
}

/** Mean of [first maximum is the true class]. */
export const top1Accuracy: Metric = defineMetric({
  higherIsBetter: true,
  bounds: [0, 1],
  prepare: (input) => accuracy(input, (predicted, target) => predicted === target),
});

/** Top-1 over pitches: HEAR's name for it on NSynth. */
export const pitchAccuracy: Metric = top1Accuracy;

/**
 * Top-1 ignoring the octave: class index mod 12, as heareval, whose vocabularies are contiguous; with a vocabulary of whole
 * numbers the pitches themselves mod 12, which is the same there and stays right when pitches are missing in between.
 */
export const chromaAccuracy: Metric = defineMetric({
  higherIsBetter: true,
  bounds: [0, 1],
  prepare: (input) => {
    const names = input.vocabulary;
    const isNumeric = names?.length === input.classes && names.every((name) => /^\d{1,6}$/.test(name));
    const chroma = Array.from({ length: input.classes }, (_, c) => (isNumeric ? Number(names[c]) : c) % 12);
    return accuracy(input, (predicted, target) => chroma[predicted] === chroma[target]);
  },
});
