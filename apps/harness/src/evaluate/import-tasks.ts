/** What `unlabel tasks import` does. */
import { basename, join } from 'node:path';
import { ConfigError } from '@unlabel/core';
import { importArchive } from '@unlabel/tasks';
import { createDisplay } from '../display/display.ts';

export async function importTasks(
  archive: string,
  { out, sha256, display: look }: { readonly out: string; readonly sha256?: string; readonly display?: string },
): Promise<void> {
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw new ConfigError(`--sha256 ${sha256}: expected 64 hexadecimal digits.`);
  const display = createDisplay(look);
  try {
    const path = archive;
    let progress: ReturnType<typeof display.task> | undefined;
    const imported = await importArchive({
      archive: path,
      out,
      sha256,
      onProgress: (read, total, entry) => {
        progress ??= display.task(`import ${basename(path)}`, total, 'bytes');
        progress.update(read, entry);
      },
    });
    progress?.finish(`${imported.tasks.length} tasks`);
    const state = imported.wasThere ? 'is there already' : 'imported';
    process.stdout.write(imported.tasks.map((dir) => `${dir} ${state}\n`).join(''));
    process.stdout.write(`check: npx unlabel tasks validate ${join(out)}\n`);
  } finally {
    display.close();
  }
}
