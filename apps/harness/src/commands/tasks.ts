/** `unlabel tasks validate|import`: what is wrong with task directories, and task archives. */
import type { Command } from 'commander';
import { examples, withDisplay } from '../options.ts';

export function register(program: Command): void {
  const tasks = program.command('tasks').description('work with task directories');
  const validate = tasks
    .command('validate <dirs...>')
    .description('check labels, vocabulary, audio or images, splits; name every fault')
    .option('--json', 'faults and warnings of each directory as JSON')
    .addHelpText(
      'after',
      `
Faults make results wrong or impossible; with one or more the exit status is 1. Warnings are worth knowing.
${examples([
  'unlabel tasks validate ~/hear/tasks/esc50-v2.0.0-full',
  'unlabel tasks validate VOCdevkit coco imagenet-100',
  'unlabel tasks validate ~/hear/tasks --json > faults.json',
])}`,
    );
  withDisplay(validate).action(async (dirs: string[], options: { json?: boolean; display?: string }) => {
    const { validateDirs } = await import('../evaluate/validate-dirs.ts');
    if (!(await validateDirs(dirs, options))) process.exitCode = 1;
  });
  const load = tasks
    .command('import <archive|url>')
    .description('take the tasks of a HEAR archive (.tar.gz, .tar) into a folder; the same command resumes')
    .requiredOption('-o, --out <dir>', 'folder of tasks')
    .option('--sha256 <hex>', 'expected SHA-256 of the archive')
    .addHelpText(
      'after',
      `
An archive is taken whole or not at all: only files and folders, none outside of the folder. A download that was stopped goes on
where it was.
${examples([
  'unlabel tasks import hear-2021.0.6-esc50-v2.0.0-full-48000.tar.gz -o ~/hear/tasks',
  'unlabel tasks import https://example.org/hear-2021.0.6-tiny-48000.tar.gz -o ~/hear/tasks --sha256 9f86d0…',
])}`,
    );
  withDisplay(load).action(async (archive: string, options: { out: string; sha256?: string; display?: string }) => {
    const { importTasks } = await import('../evaluate/import-tasks.ts');
    await importTasks(archive, options);
  });
}
