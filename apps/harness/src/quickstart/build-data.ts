/** Building an embedded suite with progress: what `unlabel data build` and `quickstart` share. */
import { buildSuite, suites, type BuildProgress } from '@unlabel/data';
import { ConfigError, DataError, unknownName } from '@unlabel/core';
import type { Display, Progress } from '../display/display.ts';

export const suiteNames: readonly string[] = Object.keys(suites);

export interface BuildRequest {
  readonly suite: string;
  readonly out: string;
  readonly only?: readonly string[];
  readonly workers: number;
  readonly display: Display;
}

const labels: Record<BuildProgress['phase'], string> = {
  decode: 'decode recordings',
  compose: 'compose tasks',
  write: 'write',
};

/** Build what is missing of a suite. Parts that cannot be built are warned of; none at all is a DataError. */
export async function buildData({ suite, out, only, workers, display }: BuildRequest): Promise<void> {
  if (suite !== 'quickstart' && suite !== 'audio' && suite !== 'images' && suite !== 'binaural')
    throw new ConfigError(unknownName('suite', suite, suiteNames));
  let current: { phase: string; progress: Progress } | undefined;
  const parts = await buildSuite({
    suite,
    out,
    ...(only && { only }),
    threads: workers,
    onProgress: ({ phase, done, total }) => {
      if (current?.phase !== phase) {
        current?.progress.finish();
        current = { phase, progress: display.task(labels[phase], total) };
      }
      current.progress.update(done);
    },
  });
  current?.progress.finish();
  for (const { id, warning } of parts) if (warning !== undefined) display.warn(`${id}: ${warning}`);
  const failed = parts.filter(({ state }) => state === 'failed');
  for (const { id, fault } of failed) display.warn(`${id} was not built: ${fault ?? 'unknown cause'}`);
  if (failed.length === parts.length)
    throw new DataError(`none of the suite could be built in ${out}.`, {
      faults: failed.map(({ fault }) => fault ?? ''),
    });
  const kept = parts.filter(({ state }) => state === 'kept').length;
  display.line(`data in ${out}: ${parts.length - failed.length - kept} parts built, ${kept} there already`);
}
