/** What `unlabel tasks import` does. */
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError } from '@unlabel/core';
import { downloadFile } from '@unlabel/formats';
import { importArchive, importedBefore, type Imported } from '@unlabel/tasks';
import { createDisplay, type Display } from '../display/display.ts';
import { watchInterrupt } from '../interrupt.ts';

export interface ImportTasksOptions {
  readonly out: string;
  readonly sha256?: string;
  readonly display?: string;
}

const isUrl = (archive: string): boolean => /^https?:\/\//i.test(archive);

/** Takes an archive on disk or at a URL into a folder of tasks, and says what came of it. */
export async function importTasks(archive: string, options: ImportTasksOptions): Promise<void> {
  const { out, sha256 } = options;
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw new ConfigError(`--sha256 ${sha256}: expected 64 hexadecimal digits.`);
  const display = createDisplay(options.display);
  try {
    const imported = isUrl(archive)
      ? await importUrl(archive, options, display)
      : await extract(archive, options, display);
    const state = imported.wasThere ? 'is there already' : 'imported';
    process.stdout.write(imported.tasks.map((dir) => `${dir} ${state}\n`).join(''));
    process.stdout.write(`check: npx unlabel tasks validate ${out}\n`);
  } finally {
    display.close();
  }
}

/** The archive is kept until its tasks are there, so that neither is loaded or unpacked twice. */
async function importUrl(url: string, options: ImportTasksOptions, display: Display): Promise<Imported> {
  const { out, sha256 } = options;
  const name = decodeURIComponent(basename(new URL(url).pathname));
  if (!/^[\w][\w.+-]{0,200}$/.test(name))
    throw new ConfigError(`${url}: expected a URL that ends in an archive’s name, such as hear-tiny-48000.tar.gz.`);
  const held = await importedBefore(out, name, sha256);
  if (held) return held.imported;
  const file = join(out, '.downloads', name);
  const stop = new AbortController();
  const interrupt = watchInterrupt(() => stop.abort());
  try {
    let progress: ReturnType<Display['task']> | undefined;
    await downloadFile({
      urls: [url],
      file,
      sha256,
      signal: stop.signal,
      onProgress: (loaded, total) => {
        progress ??= display.task(`download ${name}`, total, 'bytes');
        progress.update(loaded);
      },
    });
    progress?.finish();
  } finally {
    interrupt.release();
  }
  const imported = await extract(file, options, display);
  await rm(file, { force: true });
  return imported;
}

async function extract(archive: string, { out, sha256 }: ImportTasksOptions, display: Display): Promise<Imported> {
  let progress: ReturnType<Display['task']> | undefined;
  const imported = await importArchive({
    archive,
    out,
    sha256,
    onProgress: (read, total, entry) => {
      progress ??= display.task(`import ${basename(archive)}`, total, 'bytes');
      progress.update(read, entry);
    },
  });
  progress?.finish(`${imported.tasks.length} tasks`);
  return imported;
}
