/** An ONNX file as an Embedder, through onnxruntime-node, which a user installs who has such files. */
import { basename } from 'node:path';
import { createFrontEnd, type FrontEnd } from '@unlabel/audio';
import {
  ConfigError,
  DataError,
  DeviceError,
  messageOf,
  parseConfig,
  type Embedder,
  type NdArray,
} from '@unlabel/core';
import { readJson, sha256File } from '@unlabel/formats';
import { groupsOfLength } from '../python/python-embedder.ts';
import { sidecarSchema, type Sidecar } from './sidecar.ts';

export interface OnnxModelRef {
  readonly kind: 'onnx';
  readonly id: string;
  readonly file: string;
}

/** The little of onnxruntime-node that is used; the package is optional, so its types cannot be imported. */
interface Runtime {
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
  readonly InferenceSession: { create(file: string, options: object): Promise<Session> };
}
interface OnnxTensor {
  readonly data: ArrayLike<number>;
  readonly dims: readonly number[];
  readonly type: string;
}
interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}

export interface OnnxDescription {
  readonly sidecar: Sidecar;
  readonly fingerprint: string;
}

/** What the sidecar says, and the hash of file and sidecar, without the runtime. */
export async function describeOnnx(file: string): Promise<OnnxDescription> {
  const path = `${file}.json`;
  const sidecar = parseConfig(sidecarSchema, await readJson(path), path);
  return { sidecar, fingerprint: `${await sha256File(file)}-${(await sha256File(path)).slice(0, 16)}` };
}

/**
 * @throws DeviceError without the runtime, ConfigError for a sidecar that does not fit the file
 */
export async function onnxEmbedder({ id, file }: OnnxModelRef, threads = 0): Promise<Embedder> {
  const { sidecar, fingerprint } = await describeOnnx(file);
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(file, { intraOpNumThreads: threads }).catch(
    (error: unknown) => {
      throw new DataError(`${file}: onnxruntime cannot open it (${messageOf(error)})`);
    },
  );
  const input = sidecar.input.name ?? session.inputNames[0]!;
  checkName(file, 'input.name', input, session.inputNames);
  checkName(file, 'scene.output', sidecar.scene.output, session.outputNames);
  if (sidecar.timestamps) checkName(file, 'timestamps.output', sidecar.timestamps.output, session.outputNames);
  const { frontEnd } = sidecar.input;
  const prepare = preparer(sidecar, frontEnd === 'waveform' ? undefined : createFrontEnd(frontEnd));
  const run = async (inputs: readonly NdArray[], output: string): Promise<OnnxTensor> => {
    const [first] = inputs as readonly [NdArray];
    const data = new Float32Array(inputs.length * first.data.length);
    inputs.forEach((one, i) => data.set(one.data, i * first.data.length));
    const dims = [inputs.length, ...shapeOf(sidecar, first.shape)];
    const found = await session.run({ [input]: new runtime.Tensor('float32', data, dims) }).catch((error: unknown) => {
      throw new DataError(`${file}: an input [${dims.join(', ')}] failed (${messageOf(error)})`);
    });
    const tensor = found[output]!;
    if (tensor.type !== 'float32') throw new DataError(`${file}: output ${output} is ${tensor.type}; expected float32`);
    return tensor;
  };
  const { size } = sidecar.scene;
  const timestamps = sidecar.timestamps;
  return {
    id: sidecar.id ?? id,
    method: sidecar.method ?? 'onnx',
    fingerprint,
    sampleRate: sidecar.sampleRate,
    sceneEmbeddingSize: size,
    timestampEmbeddingSize: timestamps?.size ?? 0,
    params: 0,
    source: basename(file),
    async embedScenes(clips) {
      const out = new Float32Array(clips.length * size);
      const windows = clips.map((clip) => prepare(clip));
      const flat = windows.flatMap((list, clip) => list.map((window) => ({ window, clip })));
      for (const group of groupsOfLength(flat.map(({ window }) => window.data))) {
        const tensor = await run(
          group.map((i) => flat[i]!.window),
          sidecar.scene.output,
        );
        const rows = sceneRows(file, tensor, group.length, size);
        group.forEach((i, row) => {
          const { clip } = flat[i]!;
          for (let d = 0; d < size; d++) out[clip * size + d]! += rows[row * size + d]! / windows[clip]!.length;
        });
      }
      return out;
    },
    ...(timestamps && {
      async embedTimestamps(audio: Float32Array) {
        const windows = prepare(audio);
        const parts: Float32Array[] = [];
        for (const window of windows) {
          const { data, dims } = await run([window], timestamps.output);
          if (dims.length !== 3 || dims[2] !== timestamps.size)
            throw new DataError(
              `${file}: output ${timestamps.output} is [${dims.join(', ')}]; expected [1, T, ${timestamps.size}]`,
            );
          parts.push(Float32Array.from(data));
        }
        const seconds = audio.length / sidecar.sampleRate;
        const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
        let at = 0;
        for (const part of parts) {
          all.set(part, at);
          at += part.length;
        }
        // Frames of the padding behind the clip are not the clip's.
        const count = Math.min(
          all.length / timestamps.size,
          Math.max(1, Math.ceil((seconds * 1000 - timestamps.first) / timestamps.hop)),
        );
        return {
          embeddings: all.slice(0, count * timestamps.size),
          timestamps: Float32Array.from({ length: count }, (_, t) => timestamps.first + t * timestamps.hop),
        };
      },
    }),
    dispose: () => void session.release(),
  };
}

async function loadRuntime(): Promise<Runtime> {
  const name = 'onnxruntime-node'; // a variable: the package need not be there when this is compiled
  try {
    const module = (await import(name)) as { default?: Runtime } & Runtime;
    return module.default ?? module;
  } catch (error) {
    throw new DeviceError(
      `ONNX files need onnxruntime-node, which is not installed (${messageOf(error).split('\n')[0]}). Run: npm install onnxruntime-node`,
    );
  }
}

function checkName(file: string, field: string, name: string, names: readonly string[]): void {
  if (!names.includes(name))
    throw new ConfigError(`${file}.json: ${field} is ${name}; the file has ${names.join(', ')}`);
}

/** A clip → the windows the network takes, each bands × frames or [samples], normalised. */
function preparer({ input }: Sidecar, frontEnd: FrontEnd | undefined): (audio: Float32Array) => NdArray[] {
  const { length, normalization } = input;
  return (audio) => {
    const whole: NdArray = frontEnd ? frontEnd.apply(audio) : { data: audio, shape: [1, audio.length] };
    const [bands, frames] = whole.shape as readonly [number, number];
    const data = normalization
      ? Float32Array.from(whole.data, (value) => (value - normalization.mean) / normalization.std)
      : (whole.data as Float32Array);
    const size = length ?? frames;
    return Array.from({ length: Math.max(1, Math.ceil(frames / size)) }, (_, w) => {
      const part = new Float32Array(bands * size);
      for (let band = 0; band < bands; band++) {
        const from = band * frames + w * size;
        part.set(data.subarray(from, Math.min(from + size, (band + 1) * frames)), band * size);
      }
      return arranged({ data: part, shape: [bands, size] }, input.layout);
    });
  };
}

/** Bands × frames as the network's layout has them. */
function arranged(window: NdArray, layout: Sidecar['input']['layout']): NdArray {
  if (!layout.endsWith('TF')) return window;
  const [bands, frames] = window.shape as readonly [number, number];
  const data = new Float32Array(bands * frames);
  for (let t = 0; t < frames; t++) for (let f = 0; f < bands; f++) data[t * bands + f] = window.data[f * frames + t]!;
  return { data, shape: [frames, bands] };
}

const shapeOf = ({ input }: Sidecar, shape: readonly number[]): readonly number[] => {
  const axes = input.layout.endsWith('S') ? shape.slice(1) : shape;
  return input.layout.startsWith('B1') ? [1, ...axes] : axes;
};

/** [B, D], or the mean over T of [B, T, D]. */
function sceneRows(file: string, { data, dims }: OnnxTensor, rows: number, size: number): Float32Array {
  if (dims.length === 2 && dims[0] === rows && dims[1] === size) return Float32Array.from(data);
  if (dims.length === 3 && dims[0] === rows && dims[2] === size) {
    const frames = dims[1]!;
    const out = new Float32Array(rows * size);
    for (let i = 0; i < data.length; i++)
      out[Math.floor(i / (frames * size)) * size + (i % size)]! += data[i]! / frames;
    return out;
  }
  throw new DataError(
    `${file}: the scene output is [${dims.join(', ')}]; expected [${rows}, ${size}] or [${rows}, T, ${size}]`,
  );
}
