/** What `unlabel zoo pull` does: downloads with progress, then the import where the network is built here. */
import { CheckpointError, ConfigError } from '@unlabel/core';
import { entryOf, pull, readIndex, type Importer, type Pulled } from '@unlabel/zoo/files';
import { createDisplay, type Display, type Progress } from '../display/display.ts';
import { commandLine, Interrupted, watchInterrupt } from '../interrupt.ts';

export interface PullCliOptions {
  readonly index?: readonly string[];
  readonly mirror?: string;
  readonly file?: string;
  readonly acceptLicence?: boolean;
  readonly import: boolean;
  readonly json?: boolean;
  readonly display?: string;
}

/** @throws Interrupted after Ctrl-C, when what was loaded is on disk */
export async function pullZoo(ids: readonly string[], options: PullCliOptions): Promise<void> {
  if (options.file !== undefined && ids.length !== 1)
    throw new ConfigError(`--file gives the file of one checkpoint, found ${ids.length}`);
  const index = await readIndex({ added: options.index });
  const entries = ids.map((id) => entryOf(index, id));
  const display = createDisplay(options.display);
  const stop = new AbortController();
  const interrupt = watchInterrupt(() => stop.abort());
  try {
    for (const entry of entries) {
      const progress = fileProgress(display);
      const pulled = await pull(entry, {
        acceptLicence: options.acceptLicence ?? false,
        file: options.file,
        mirror: options.mirror,
        signal: stop.signal,
        importer: options.import ? importer : undefined,
        onWait: () => display.line(`${entry.id}: another process is pulling it; waiting`),
        onProgress: progress.update,
      });
      progress.finish();
      process.stdout.write(options.json ? `${JSON.stringify({ ...pulled.record, dir: pulled.dir })}\n` : said(pulled));
    }
  } catch (error) {
    if (interrupt.requested) throw new Interrupted(`Stopped; what is loaded is kept. Go on with: ${commandLine()}`);
    throw error;
  } finally {
    interrupt.release();
    display.close();
  }
}

/** A bar a file, in megabytes. */
function fileProgress(display: Display): {
  update: (file: string, loaded: number, total: number | undefined) => void;
  finish: () => void;
} {
  let current: { file: string; bar: Progress } | undefined;
  const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  const finish = (): void => {
    current?.bar.finish();
    current = undefined;
  };
  return {
    update(file, loaded, total) {
      if (current?.file !== file) {
        finish();
        current = { file, bar: display.task(`pull ${file}`, total === undefined ? undefined : megabytes(total), 'MB') };
      }
      current.bar.update(megabytes(loaded));
    },
    finish,
  };
}

function said({ record, isNew, dir }: Pulled): string {
  const unverified = record.files.filter(({ isVerified }) => !isVerified);
  return [
    `${record.id} ${isNew ? 'in' : 'is there already:'} ${dir}`,
    ...unverified.map(({ name, sha256 }) => `  ${name}: unverified; its SHA-256 ${sha256} is recorded`),
    ...(record.notImported === null ? [] : [`  not turned into a checkpoint: ${record.notImported}`]),
    '',
  ].join('\n');
}

/** Imports what can embed here; the authors' file of anything else is kept as it is, and imported by a later pull. */
const importer: Importer = async (file, out, { id, upstream, licence }) => {
  if (upstream === null) throw new CheckpointError('no key map imports its layout yet; the file is kept, verified');
  const [{ importCheckpoint }, { backboneFamilies }, { importFile }] = await Promise.all([
    import('@unlabel/zoo'),
    import('@unlabel/backbones'),
    import('./import.ts'),
  ]);
  const found = await importCheckpoint(file, { upstream });
  await found.close();
  const { family } = found.map;
  if (!(family in backboneFamilies))
    throw new CheckpointError(
      `no ${family} network is built yet; the file is kept, verified, and its ${found.tensors.size} tensors have the names and shapes of ${found.map.title}`,
    );
  await importFile(file, { out, id, upstream, strict: true, dtype: 'float32', licence: licence.id });
};
