/**
 * Targets of the optimiser and schedule goldens. Those references are float64 to 1e-11, so the rules run on float64 arrays here;
 * the engine runs the same rules on float32 tensors, which `optim/optimizer.test.ts` compares with the same numbers.
 */
import {
  ConfigError,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
} from '@unlabel/core';
import { adamRule, adamWRule } from './optim/adamw.ts';
import { float64Arithmetic } from './optim/arithmetic.ts';
import { larcRule, larsRule } from './optim/lars.ts';
import { sgdRule } from './optim/sgd.ts';
import { chain, type Transform } from './optim/transform.ts';
import { barlowTwinsRates, cosine, type Schedule } from './schedule.ts';

/** Config of an optimiser golden → our transforms, and whether vectors are excluded. */
export function rulesOfGolden(golden: GoldenFile): { transforms: Transform[]; excludesVectors: boolean } {
  const config = golden.config as Record<string, number | boolean | readonly number[]>;
  const number = (key: string): number | undefined => (typeof config[key] === 'number' ? config[key] : undefined);
  const weightDecay = number('weight_decay') ?? 0;
  const momentum = number('momentum') ?? 0;
  const trustCoefficient = number('eta') ?? number('eeta') ?? number('trust_coefficient') ?? 0.001;
  const [beta1 = 0.9, beta2 = 0.999] = (config['betas'] ?? []) as readonly number[];
  const adamOptions = { beta1, beta2, eps: number('eps') ?? 1e-8, weightDecay };
  const larsOptions = { momentum, weightDecay, trustCoefficient };
  switch (golden.name) {
    case 'optim-sgd-momentum':
    case 'optim-sgd-nesterov':
      return {
        transforms: sgdRule({ momentum, weightDecay, isNesterov: config['nesterov'] === true }),
        excludesVectors: false,
      };
    case 'optim-adamw':
      return { transforms: adamWRule(adamOptions), excludesVectors: false };
    case 'optim-adam-l2':
    case 'optim-adam-amsgrad':
      return {
        transforms: adamRule({ ...adamOptions, isAmsgrad: config['amsgrad'] === true }),
        excludesVectors: false,
      };
    case 'optim-lars':
      return { transforms: larsRule(larsOptions), excludesVectors: true };
    case 'optim-lars-lr-inside':
    case 'optim-lars-lr-inside-nesterov':
      return {
        transforms: larsRule({ ...larsOptions, isRateInside: true, isNesterov: config['use_nesterov'] === true }),
        excludesVectors: true,
      };
    case 'optim-larc-sgd':
      return { transforms: larcRule({ ...larsOptions, eps: number('eps') ?? 1e-8 }), excludesVectors: false };
    default:
      throw new ConfigError(`no optimiser for golden ${golden.name}`);
  }
}

export interface OptimizerGolden {
  readonly names: readonly string[];
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly rates: readonly number[];
  readonly start: (name: string) => NdArray;
  readonly grad: (step: number, name: string) => NdArray;
}

/** Start values, gradients and rates; the parameter `zero` starts at 0 and has no stored start. */
export function readOptimizerGolden(golden: GoldenFile, tools: GoldenTools): OptimizerGolden {
  const inputs = golden['inputs'] as readonly { name: string; key: string; shape: number[]; scale: number }[];
  const byName = new Map(inputs.map((input) => [input.name, input]));
  const names = inputs.filter(({ name }) => name.startsWith('g0.')).map(({ name }) => name.slice(3));
  const make = (name: string): NdArray | undefined => {
    const input = byName.get(name);
    return input && tools.tensor(input.key, input.shape, input.scale);
  };
  const shapes = Object.fromEntries(names.map((name) => [name, byName.get(`g0.${name}`)!.shape]));
  const size = (name: string) => shapes[name]!.reduce((product, n) => product * n, 1);
  return {
    names,
    shapes,
    rates: golden['lr_per_step'] as readonly number[],
    start: (name) => make(`p.${name}`) ?? { data: new Float32Array(size(name)), shape: shapes[name]! },
    grad: (step, name) => make(`g${step}.${name}`)!,
  };
}

const optimizer: GoldenTarget = {
  run(golden, tools) {
    const { transforms, excludesVectors } = rulesOfGolden(golden);
    const { names, shapes, rates, start, grad } = readOptimizerGolden(golden, tools);
    const rule = chain(...transforms);
    const outputs: Record<string, NdArray> = {};
    for (const name of names) {
      let param = Float64Array.from(start(name).data);
      let slots: readonly Float64Array[] = rule.slots.map(() => new Float64Array(param.length));
      rates.forEach((lr, i) => {
        const isDecayed = !(excludesVectors && shapes[name]!.length < 2);
        const context = { lr, step: i + 1, isDecayed };
        const result = rule.apply(float64Arithmetic, Float64Array.from(grad(i, name).data), param, slots, context);
        param = Float64Array.from(param, (w, j) => w + result.update[j]!);
        slots = result.slots;
        outputs[`step${i}.${name}`] = asOutput(param, shapes[name]!);
      });
    }
    return outputs;
  },
};

/** Targets hand over float32 by type; these goldens need float64, which the comparison reads just as well. */
const asOutput = (data: Float64Array, shape: readonly number[]): NdArray => ({
  data: data as unknown as Float32Array,
  shape,
});

const schedules: GoldenTarget = {
  run(golden) {
    const {
      epochs,
      iters_per_epoch: stepsPerEpoch,
      warmup_epochs: warmupEpochs,
    } = golden.config as Record<string, number>;
    const steps = epochs! * stepsPerEpoch!;
    const warm = { steps, warmupSteps: warmupEpochs! * stepsPerEpoch!, isPeakInWarmup: true };
    const sample = (schedule: Schedule, n = steps) =>
      asOutput(
        Float64Array.from({ length: n }, (_, i) => schedule(i)),
        [n],
      );
    const { weights, biases } = barlowTwinsRates({ batchSize: 512, epochs: epochs!, stepsPerEpoch: stepsPerEpoch! });
    const pairs = Float64Array.from({ length: 2 * steps }, (_, i) => (i % 2 === 0 ? weights : biases)(i >> 1));
    return {
      dino_lr: sample(cosine({ peak: 0.0005, final: 1e-6, ...warm })),
      dino_lr_warmup_start: sample(cosine({ peak: 0.3, final: 0.001, warmupStart: 0.1, ...warm })),
      dino_wd: sample(cosine({ peak: 0.04, final: 0.4, steps })),
      dino_momentum: sample(cosine({ peak: 0.996, final: 1, steps })),
      swav_lr: sample(cosine({ peak: 4.8, final: 0.0048, warmupStart: 0.3, ...warm })),
      moco_cos_per_epoch: sample(cosine({ peak: 0.03, steps: epochs! }), epochs),
      barlow_lr_weights_biases: asOutput(pairs, [steps, 2]),
    };
  },
};

export const goldens: GoldenTargets = {
  'optim-sgd-momentum': optimizer,
  'optim-sgd-nesterov': optimizer,
  'optim-adamw': optimizer,
  'optim-adam-l2': optimizer,
  'optim-adam-amsgrad': optimizer,
  'optim-lars': optimizer,
  'optim-lars-lr-inside': optimizer,
  'optim-lars-lr-inside-nesterov': optimizer,
  'optim-larc-sgd': optimizer,
  schedules,
};
