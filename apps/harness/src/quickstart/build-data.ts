/** Building an embedded suite with progress: what `unlabel data build` and `quickstart` share. */
import { buildSuite, suiteNames as known } from '@unlabel/data';
import { ConfigError, unknownName } from '@unlabel/core';
import type { Display, Progress } from '../display/display.ts';

export const suiteNames: readonly string[] = known;

export interface BuildRequest {
  readonly suite: string;
  readonly out: string;
  readonly only?: readonly string[];
  readonly workers: number;
  readonly display: Display;
}

export async function buildData({ suite, out, only, workers, display }: BuildRequest): Promise<void> {
  const name = known.find((candidate) => candidate === suite);
  if (!name) throw new ConfigError(unknownName('suite', suite, known));
  let progress: Progress | undefined;
  const { faults, warnings } = await buildSuite({
    suite: name,
    out,
    ...(only && { only }),
    threads: workers,
    onProgress: ({ done, total, note }) => {
      progress ??= display.task(`build ${suite} data`, total, 'clips');
      progress.update(done, note);
    },
  });
  progress?.finish(out);
  for (const warning of warnings) display.warn(warning);
  if (faults.length > 0) display.warn(`${faults.length} parts of the suite are missing:\n  ${faults.join('\n  ')}`);
}
