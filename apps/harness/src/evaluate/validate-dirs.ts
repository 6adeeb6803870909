/** What `unlabel tasks validate` does. */
import { findImageTasks, findTasks, validateImageTask, validateTask } from '@unlabel/tasks';
import { createDisplay } from '../display/display.ts';

/** Names everything that is wrong; true when nothing is. */
export async function validateDirs(
  dirs: readonly string[],
  { json, display: look }: { readonly json?: boolean; readonly display?: string },
): Promise<boolean> {
  const display = createDisplay(look);
  const found: { dir: string; faults: string[]; warnings: string[] }[] = [];
  try {
    for (const given of dirs) {
      const imageTasks = await findImageTasks(given);
      for (const dir of imageTasks) found.push({ dir, ...(await validateImageTask(dir)) });
      for (const dir of await findTasks(given).catch(orNone(imageTasks.length > 0))) {
        let progress: ReturnType<typeof display.task> | undefined;
        const findings = await validateTask(dir, (clips, total) => {
          progress ??= display.task(`validate ${dir}`, total, 'clips');
          progress.update(clips);
        });
        progress?.finish(`${findings.faults.length} faults`);
        found.push({ dir, ...findings });
      }
    }
  } finally {
    display.close();
  }
  process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : found.map(report).join(''));
  return found.every(({ faults }) => faults.length === 0);
}

/** A folder may hold tasks of both kinds; it is an error only when it holds neither. */
const orNone =
  (hasOthers: boolean) =>
  (error: unknown): string[] => {
    if (hasOthers) return [];
    throw error;
  };

const report = ({ dir, faults, warnings }: { dir: string; faults: string[]; warnings: string[] }): string =>
  [
    `${dir}: ${faults.length} faults, ${warnings.length} warnings`,
    ...faults.map((fault) => `  fault: ${fault}`),
    ...warnings.map((warning) => `  warning: ${warning}`),
    '',
  ].join('\n');
