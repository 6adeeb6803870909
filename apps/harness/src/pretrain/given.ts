/** `pretrain --from MODEL`: the trained network that a run begins with, and whether it hears and sees what the method does. */
import { canonicalJson, ConfigError, type InputSpec } from '@unlabel/core';
import { fingerprintFile, readModelConfig } from '@unlabel/zoo/files';
import { parseModel } from '../models/resolve.ts';

export interface GivenNetwork {
  readonly id: string;
  readonly dir: string;
  /** Hash of weights and config: a run goes on from this network alone. */
  readonly fingerprint: string;
  /** Tasks whose clips it was trained on. */
  readonly sawUnlabelled: readonly string[];
}

/** What decides which values a network gets; crops, their size and the statistics of a data set are the new run's. */
function valuesOf({ modality, sampleRate, channels, frontEnd, embedFrontEnd, image }: InputSpec) {
  return {
    modality,
    sampleRate,
    channels: channels ?? (modality === 'audio' ? 1 : undefined),
    frontEnd: embedFrontEnd ?? frontEnd,
    'image.mean': image?.mean,
    'image.std': image?.std,
  };
}

/**
 * The model `text` names, for a first stage of `method` with this input. Whether its network fits, the method says when it is built.
 * @throws ConfigError for what is no network on this machine, and for one of another input
 */
export async function givenNetwork(text: string, method: string, input: InputSpec): Promise<GivenNetwork> {
  const ref = parseModel(text, 0);
  if (ref.kind !== 'directory')
    throw new ConfigError(`--from ${text}: expected a run, a model folder or a checkpoint of the zoo.`);
  const config = await readModelConfig(ref.dir);
  const [theirs, own] = [valuesOf(config.input as unknown as InputSpec), valuesOf(input)];
  for (const [field, value] of Object.entries(own)) {
    const [there, here] = [theirs[field as keyof typeof theirs], value].map((each) => canonicalJson(each ?? null));
    if (there !== here)
      throw new ConfigError(
        `--from ${text}: its network takes another input than ${method} (${field}: ${there} there, ${here} here).`,
      );
  }
  return {
    id: ref.id,
    dir: ref.dir,
    fingerprint: await fingerprintFile(ref.dir),
    sawUnlabelled: config.training.sawUnlabelled,
  };
}
