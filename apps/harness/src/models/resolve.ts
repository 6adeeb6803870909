/** From what the user writes as MODEL to an Embedder. Workers resolve the same reference again in their own process. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { StageTap } from '@unlabel/backbones';
import { ConfigError, unknownName, type Embedder, type ImageEmbedder } from '@unlabel/core';
import type { NetworkOptions } from '@unlabel/zoo';
import { methods } from '../registry.ts';
import { baselineIds, statisticsBaseline, type BaselineId } from './baselines.ts';
import { findCheckpoint, isModelDir } from '@unlabel/zoo/files';
import {
  colorStats,
  imageBaselineIds,
  isImageBaseline,
  randomBackboneNetwork,
  randomBackbones,
} from './image-baselines.ts';
import { featuresEmbedder, featuresRef, type FeaturesRef } from './features.ts';
import type { OnnxModelRef } from './onnx/onnx-embedder.ts';
import type { PythonModelRef } from './python/python-embedder.ts';

/** A network of ours. */
interface NetworkRef {
  readonly id: string;
  /** Of images: the stage that its embedding is taken from; left out, the network's own. */
  readonly tap?: StageTap;
}

/** A model by where it is found; plain data, so that it can be sent to a worker. */
export type ModelRef =
  | { readonly kind: 'baseline'; readonly id: string }
  | { readonly kind: 'chance'; readonly id: string }
  | (NetworkRef & { readonly kind: 'directory'; readonly dir: string; readonly source: string })
  | (NetworkRef & {
      readonly kind: 'random';
      readonly method: string;
      readonly preset: string;
      readonly seed: number;
    })
  /** A network of images as it starts. */
  | (NetworkRef & { readonly kind: 'backbone'; readonly backbone: string; readonly seed: number })
  | PythonModelRef
  | OnnxModelRef
  | FeaturesRef;

/** What `--weights`, `--python` and `--timeout` say for the Python models of a command. */
export interface ForeignOptions {
  readonly weights?: string | undefined;
  readonly python?: string | undefined;
  readonly timeout?: number | undefined;
}

/** Seconds a Python module may take for one answer. */
const defaultTimeout = 600;

export const modelForms = [
  'a run directory of `unlabel pretrain` (its trained network), or RUN@init (its random initialisation)',
  'a model folder with model.safetensors and config.json',
  'a checkpoint of the zoo by its id (`unlabel zoo ls`)',
  'random:METHOD[@PRESET] (a fresh network, --seed)',
  `random:BACKBONE, for images: ${Object.keys(randomBackbones).join(', ')} (--seed)`,
  'any of these networks with #conv1 or #res2 … #res5, for images: the map of that stage, averaged over a few windows',
  ...imageBaselineIds.map((id) => `${id}, for images (what colours there are, and where)`),
  ...baselineIds.map((id) => `${id} (mean and standard deviation over time)`),
  'python:MODULE[?weights=PATH&python=EXE&timeout=SECONDS] (a Python module with the HEAR API)',
  'FILE.onnx with its front-end in FILE.onnx.json (needs onnxruntime-node)',
  'features:FILE.npz or FILE.npy, embeddings of images made elsewhere, by the names of their files',
  'chance (the training labels’ frequencies)',
];

/** Parse a MODEL argument; `seed` matters to `random:` only, `foreign` to `python:` only. */
export function parseModel(text: string, seed: number, foreign: ForeignOptions = {}): ModelRef {
  const [, whole, tap] = /^(.+)#(conv1|res[2-5])$/s.exec(text) ?? [];
  if (whole !== undefined) return tappedRef(parseModel(whole, seed, foreign), tap as StageTap);
  if (text.startsWith('python:')) return pythonRef(text, foreign);
  if (text.startsWith('features:')) return featuresRef(text);
  if (text.endsWith('.onnx')) return onnxRef(text);
  if (text === 'chance') return { kind: 'chance', id: 'chance' };
  if ((baselineIds as readonly string[]).includes(text) || isImageBaseline(text)) return { kind: 'baseline', id: text };
  const random = /^random:([^@]+)(?:@(.+))?$/.exec(text);
  if (random) {
    const [method, preset] = [random[1]!, random[2] ?? 'paper'];
    if (Object.hasOwn(randomBackbones, method) && random[2] === undefined)
      return { kind: 'backbone', id: `${method}-random`, backbone: method, seed };
    if (!Object.hasOwn(methods, method))
      throw new ConfigError(unknownName('method', method, [...Object.keys(methods), ...Object.keys(randomBackbones)]));
    return { kind: 'random', id: `${method}-random`, method, preset, seed };
  }
  const isInit = text.endsWith('@init');
  const base = resolve(isInit ? text.slice(0, -5) : text);
  const dir = isModelDir(base) ? base : join(base, isInit ? 'model-init' : 'model');
  if (isModelDir(dir)) return { kind: 'directory', id: idOf(base, isInit), dir, source: text };
  const checkpoint = isInit ? undefined : findCheckpoint(text);
  if (checkpoint !== undefined) return { kind: 'directory', id: text, dir: checkpoint, source: text };
  if (existsSync(base)) {
    throw new ConfigError(
      `${text}: the folder holds no ${isInit ? 'model-init/' : 'model/'} with model.safetensors and config.json. ` +
        'If it is a run that was stopped, finish it first with the command in its config.json.',
    );
  }
  const known = ['chance', ...baselineIds, ...imageBaselineIds, ...Object.keys(methods).map((id) => `random:${id}`)];
  throw new ConfigError(
    `${unknownName('model', text, known)}\nA MODEL is one of:\n${modelForms.map((form) => `  - ${form}`).join('\n')}`,
  );
}

function tappedRef(ref: ModelRef, tap: StageTap): ModelRef {
  const id = `${ref.id}#${tap}`;
  if (ref.kind === 'directory' || ref.kind === 'random' || ref.kind === 'backbone') return { ...ref, id, tap };
  throw new ConfigError(`${id}: expected a network of ours before #${tap}; ${ref.id} has no stages to look into.`);
}

function pythonRef(text: string, foreign: ForeignOptions): PythonModelRef {
  const [, module = '', query = ''] = /^python:([^?]*)\??(.*)$/s.exec(text) ?? [];
  if (!/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(module))
    throw new ConfigError(
      `${text}: expected python:MODULE, a name that Python can import, such as python:hearbaseline.naive`,
    );
  const given = new URLSearchParams(query);
  const odd = [...given.keys()].find((key) => !['weights', 'python', 'timeout'].includes(key));
  if (odd !== undefined)
    throw new ConfigError(`${text}: ${unknownName('option', odd, ['weights', 'python', 'timeout'])}`);
  const weights = given.get('weights') ?? foreign.weights ?? '';
  const timeout = Number(given.get('timeout') ?? foreign.timeout ?? defaultTimeout);
  if (!(timeout > 0)) throw new ConfigError(`${text}: timeout: expected seconds above 0`);
  const python = given.get('python') ?? foreign.python ?? process.env['UNLABEL_PYTHON'] ?? 'python3';
  return { kind: 'python', id: module, module, weights, python, timeout };
}

function onnxRef(text: string): OnnxModelRef {
  const file = resolve(text);
  if (!existsSync(file)) throw new ConfigError(`${text}: there is no such file`);
  if (!existsSync(`${file}.json`)) {
    throw new ConfigError(
      `${text}: its front-end is missing. Write ${text}.json with sampleRate, input (frontEnd, layout) and scene (output, size); \`npx unlabel validate --help\` shows one.`,
    );
  }
  return {
    kind: 'onnx',
    id: text
      .split(/[\\/]/)
      .at(-1)!
      .replace(/\.onnx$/, ''),
    file,
  };
}

const idOf = (base: string, isInit: boolean): string => `${base.split(/[\\/]/).at(-1)}${isInit ? '-init' : ''}`;

/** Whether the engine must run before it is opened. */
export const isNetwork = ({ kind }: ModelRef): boolean =>
  kind === 'directory' || kind === 'random' || kind === 'backbone';

/** The stage that a model's embedding is taken from, if it is not the network's own. */
export const tapOf = (ref: ModelRef): StageTap | undefined => ('tap' in ref ? ref.tap : undefined);

/** The network of a model of images. The engine must be running. */
export async function openImageNetwork(ref: ModelRef): Promise<NetworkOptions> {
  const network = await openWholeNetwork(ref);
  const tap = tapOf(ref);
  if (tap === undefined) return network;
  const [{ tapStage }, { imageInputOf }] = await Promise.all([import('@unlabel/backbones'), import('@unlabel/zoo')]);
  const { size } = imageInputOf(network.config.input, network.source);
  return { ...network, backbone: tapStage(network.backbone, tap, size) };
}

async function openWholeNetwork(ref: ModelRef): Promise<NetworkOptions> {
  switch (ref.kind) {
    case 'backbone':
      return randomBackboneNetwork(ref.id, ref.backbone, ref.seed);
    case 'directory': {
      const { loadModelDir } = await import('@unlabel/zoo');
      return { ...(await loadModelDir(ref.dir)), id: ref.id, source: ref.source };
    }
    case 'random': {
      const { randomNetwork } = await import('./random-model.ts');
      return randomNetwork(ref);
    }
    default:
  }
  throw new ConfigError(`${ref.id}: takes no images.`);
}

/** Build the embedder of a model of images. Networks need the engine running. */
export async function openImageModel(ref: ModelRef): Promise<ImageEmbedder> {
  if (ref.kind === 'baseline' && isImageBaseline(ref.id)) return colorStats;
  if (ref.kind === 'features') return featuresEmbedder(ref);
  const network = await openImageNetwork(ref);
  const { imageEmbedder } = await import('@unlabel/zoo');
  return imageEmbedder(network);
}

/** Build the Embedder of a model of sounds. Networks need the engine running; `chance` has no embeddings. */
export async function openModel(ref: ModelRef): Promise<Embedder> {
  if (tapOf(ref)) throw new ConfigError(`${ref.id}: stages are looked into on images, not on sounds.`);
  switch (ref.kind) {
    case 'baseline':
      if (isImageBaseline(ref.id)) throw new ConfigError(`${ref.id}: takes images, no sounds.`);
      return statisticsBaseline(ref.id as BaselineId);
    case 'backbone':
      throw new ConfigError(`${ref.id}: takes images, no sounds.`);
    case 'features':
      throw new ConfigError(`${ref.id}: has features of images, not of sounds.`);
    case 'chance':
      throw new ConfigError('chance has no embeddings.');
    case 'directory': {
      const { loadModelDir, networkEmbedder } = await import('@unlabel/zoo');
      const loaded = await loadModelDir(ref.dir);
      return networkEmbedder({ ...loaded, id: ref.id, source: ref.source });
    }
    case 'python': {
      const { pythonEmbedder } = await import('./python/python-embedder.ts');
      return pythonEmbedder(ref);
    }
    case 'onnx': {
      const { onnxEmbedder } = await import('./onnx/onnx-embedder.ts');
      return onnxEmbedder(ref);
    }
    case 'random': {
      const { randomEmbedder } = await import('./random-model.ts');
      return randomEmbedder(ref);
    }
  }
}
