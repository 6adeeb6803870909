/**
 * `mlp/v1`: one hidden layer on standardised frozen embeddings, Adam, learning rate and epoch chosen on validation. It is this
 * project's own; HEAR's official predictor (BatchNorm, dropout, its eight grid points) is another protocol.
 */
import type { Rng } from '@unlabel/core';
import { z } from 'zod';
import { finite } from '../chance.ts';
import { checkEmbeddings, countOf, fitStandardizer, standardizeInto, type Embeddings } from '../embeddings.ts';
import { toProbabilities } from '../linear/linear.ts';
import { embeddingsOf, type FitInput, type ProbeSplit, type Protocol } from '../protocol-types.ts';
import { createAdam, createMlp, type Mlp } from './network.ts';

const optionsSchema = z.strictObject({
  hidden: z.int().positive().default(128).meta({ title: 'Hidden units' }),
  learningRates: z.array(z.number().positive()).min(1).default([3e-4, 1e-3, 3e-3]),
  batch: z.int().min(4).default(64),
  maxEpochs: z.int().positive().default(100),
  patience: z.int().positive().default(10).meta({ title: 'Epochs without a better validation score before stopping' }),
});
type Options = z.output<typeof optionsSchema>;

interface Trained {
  readonly learningRate: number;
  readonly epoch: number;
  readonly value: number;
  readonly parameters: readonly Float64Array[];
}

export const mlp = {
  id: 'mlp/v1',
  title: 'One hidden layer on standardised frozen embeddings, learning rate and epoch chosen on validation',
  options: optionsSchema,
  fit(input: FitInput, given: Readonly<Record<string, unknown>>) {
    const options = optionsSchema.parse(given);
    const [train, valid] = [embeddingsOf(input.train), embeddingsOf(input.valid)];
    checkEmbeddings(train, 'mlp probe, training clips');
    checkEmbeddings(valid, 'mlp probe, validation clips');
    const { hidden, batch } = options;
    const shape = { width: train.width, hidden, classes: input.classes, predictionType: input.predictionType, batch };
    const standardizer = fitStandardizer(train);
    const load = (network: Mlp, embeddings: Embeddings, clips: ArrayLike<number>): void => {
      for (let i = 0; i < clips.length; i++) {
        standardizeInto(
          network.input.subarray(i * network.stride),
          network.stride,
          embeddings,
          standardizer,
          clips[i]!,
          clips[i]! + 1,
        );
      }
    };
    const scoresOf = (network: Mlp, embeddings: Embeddings): Float64Array => {
      const n = countOf(embeddings);
      const scores = new Float64Array(n * input.classes);
      for (let i = 0; i < n; i += batch) {
        const clips = Array.from({ length: Math.min(batch, n - i) }, (_, k) => i + k);
        load(network, embeddings, clips);
        scores.set(network.forward(clips.length), i * input.classes);
      }
      toProbabilities(scores, input.classes, input.predictionType);
      return scores;
    };
    const tried = options.learningRates.map((learningRate) => {
      const rng = input.rng.fork(learningRate); // each rate its own start, whatever else is on the grid
      const network = createMlp(shape, rng);
      return trainMlp(network, learningRate, {
        options,
        rng,
        labels: input.train.labels,
        load: (clips) => load(network, train, clips),
        evaluate: () => input.select(scoresOf(network, valid)),
      });
    });
    const best = tried.reduce((held, other) => (isBetter(other.value, held.value) ? other : held));
    const network = createMlp(shape, input.rng);
    for (const [t, values] of network.parameters.entries()) values.set(best.parameters[t]!);
    return {
      scores(split: ProbeSplit) {
        const embeddings = embeddingsOf(split);
        checkEmbeddings(embeddings, 'mlp probe');
        return scoresOf(network, embeddings);
      },
      selection: { learningRate: best.learningRate, epoch: best.epoch, validation: finite(best.value) },
    };
  },
} satisfies Protocol;

/** NaN is worse than anything; equal is not better, so the earliest wins. */
const isBetter = (value: number, held: number): boolean => value > held || (Number.isNaN(held) && !Number.isNaN(value));

/** Shuffled mini-batches until validation stops improving; the parameters of the best epoch. */
function trainMlp(
  network: Mlp,
  learningRate: number,
  of: {
    options: Options;
    rng: Rng;
    labels: FitInput['train']['labels'];
    load: (clips: ArrayLike<number>) => void;
    evaluate: () => number;
  },
): Trained {
  const { batch, maxEpochs, patience } = of.options;
  const adam = createAdam(network.parameters, learningRate);
  const shuffle = of.rng.fork('shuffle');
  let best: Trained | undefined;
  for (let epoch = 1; epoch <= maxEpochs && (best === undefined || epoch - best.epoch <= patience); epoch++) {
    const order = shuffle.permutation(of.labels.length);
    for (let i = 0; i < order.length; i += batch) {
      const clips = order.subarray(i, i + batch);
      of.load(clips);
      network.backward(Array.from(clips, (clip) => of.labels[clip]!));
      adam(network.gradients);
    }
    const value = of.evaluate();
    if (best === undefined || isBetter(value, best.value)) {
      best = { learningRate, epoch, value, parameters: network.parameters.map((values) => values.slice()) };
    }
  }
  return best!; // maxEpochs is positive
}
