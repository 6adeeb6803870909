/** Fits HEAR's predictor on one fold: trains the grid, keeps the best point, scores with its best state. */
import { DataError } from '@unlabel/core';
import { toProbabilities } from '../linear/linear.ts';
import { embeddingsOf, type Evaluated, type FitInput, type FittedProbe, type ProbeSplit } from '../protocol-types.ts';
import { countOf, fitStandardizer, standardizeInto, type Standardizer } from '../embeddings.ts';
import { rowsOf } from './data.ts';
import { gridPoints, hparamsOf, type GridName, type GridPoint } from './grid.ts';
import { createJudge, eventsOfSplit } from './judge.ts';
import { restoreNetwork } from './network.ts';
import type { Variant } from './variant.ts';
import { logitsOf, lossOf, monitorsUp, trainPoints, type Trained } from './train.ts';

interface Options {
  readonly grid: GridName;
  readonly points: number;
}

interface Setup {
  readonly input: FitInput;
  readonly scaling: Standardizer | undefined;
  readonly points: readonly IndexedPoint[];
  readonly monitorLoss: boolean;
}

interface IndexedPoint {
  readonly index: number;
  readonly point: GridPoint;
}

function setUp(given: FitInput, options: Options, variant: Variant): Setup {
  const scaling = variant.standardize ? fitStandardizer(embeddingsOf(given.train)) : undefined;
  const input = { ...given, train: scaled(given.train, scaling), valid: scaled(given.valid, scaling) };
  if (countOf(embeddingsOf(input.train)) < 2)
    throw new DataError('predictor: one training row; the batch norm needs two');
  const all = gridPoints(options.grid, input.evaluationParams, options.points).map((point, index) => ({
    point,
    index,
  }));
  const winner = variant.searchFirstFoldOnly ? input.first?.['gridPoint'] : undefined;
  const points = typeof winner === 'number' ? all.filter(({ index }) => index === winner) : all;
  return { input, scaling, points, monitorLoss: input.useScoring === false };
}

const train = ({ input, points, monitorLoss }: Setup, variant: Variant): Promise<Trained[]> =>
  trainPoints(input, {
    points,
    shuffle: variant.shuffle,
    monitorLoss,
    rng: input.rng,
    journal: input.journal,
    onEpoch: (epoch, running) => input.onProgress?.(`epoch ${epoch + 1}, ${running} of ${points.length} grid points`),
  });

export async function fitPredictor(given: FitInput, options: Options, variant: Variant): Promise<FittedProbe> {
  const setup = setUp(given, options, variant);
  const { input, points, monitorLoss, scaling } = setup;
  const tried = await train(setup, variant);
  const isUp = monitorsUp(createJudge(input), monitorLoss);
  const best = bestOf(tried, isUp);
  const { point, index } = points[best]!;
  return probeOf(
    input,
    { point, trained: tried[best]!, scaling },
    {
      gridPoint: index,
      scoreMode: isUp ? 'max' : 'min',
      hparams: hparamsOf(point),
      ...reportOf(tried[best]!),
      tried: tried.map((one, i) => ({
        gridPoint: points[i]!.index,
        ...shortPoint(points[i]!.point),
        ...reportOf(one),
      })),
    },
  );
}

/** Trains share `index` of `of` of the grid points into the journal. */
export async function warmPredictor(
  given: FitInput,
  options: Options,
  variant: Variant,
  { index, of }: { readonly index: number; readonly of: number },
): Promise<void> {
  const setup = setUp(given, options, variant);
  // The deepest and slowest to converge first, dealt out in turn: shares end at about the same time.
  const dealt = [...setup.points].sort(
    (a, b) => b.point.hiddenLayers - a.point.hiddenLayers || a.point.lr - b.point.lr,
  );
  await train({ ...setup, points: dealt.filter((_, i) => i % of === index) }, variant);
}

/** The first of the best; an undefined value is worse than any other. */
function bestOf(tried: readonly Trained[], isUp: boolean): number {
  const rank = ({ monitored }: Trained): number =>
    Number.isNaN(monitored) ? -Infinity : isUp ? monitored : -monitored;
  return tried.reduce((best, one, i) => (rank(one) > rank(tried[best]!) ? i : best), 0);
}

const shortPoint = ({ hiddenLayers, initialization, lr }: GridPoint): Record<string, unknown> => ({
  hiddenLayers,
  initialization,
  lr,
});

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const reportOf = ({ epoch, monitored, postProcessing }: Trained): Record<string, unknown> => ({
  validation: finite(monitored),
  epoch,
  ...(postProcessing && { postProcessing }),
});

function probeOf(
  input: FitInput,
  { point, trained, scaling }: { point: GridPoint; trained: Trained; scaling: Standardizer | undefined },
  selection: Readonly<Record<string, unknown>>,
): FittedProbe {
  const { classes, predictionType } = input;
  const isMulticlass = predictionType === 'multiclass';
  return {
    selection,
    async evaluate(given: ProbeSplit): Promise<Evaluated> {
      const split = scaled(given, scaling);
      const rows = rowsOf(split, 'test clips', isMulticlass);
      const shape = { width: rows.embeddings.width, classes, predictionType };
      const network = restoreNetwork(trained.weights, point, shape, input.rng);
      try {
        const scores = await logitsOf(network, rows, classes);
        const loss = lossOf(scores, rows.labels, classes, isMulticlass);
        toProbabilities(scores, classes, predictionType);
        if (!split.frames) return { scores, loss };
        // The setting that was best at the best epoch; the others are not tried again.
        return { scores, loss, events: eventsOfSplit(scores, split, classes, trained.postProcessing!) };
      } finally {
        network.dispose();
      }
    },
  };
}

function scaled(split: ProbeSplit, scaling: Standardizer | undefined): ProbeSplit {
  if (!scaling) return split;
  const embeddings = embeddingsOf(split);
  const out = new Float64Array(embeddings.data.length);
  standardizeInto(out, embeddings.width, embeddings, scaling);
  return { ...split, embeddings: { data: Float32Array.from(out), width: embeddings.width } };
}
