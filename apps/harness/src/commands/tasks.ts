/** `unlabel tasks validate DIR`: everything that is wrong with task directories. */
import type { Command } from 'commander';
import { examples } from '../options.ts';

export function register(program: Command): void {
  program
    .command('tasks')
    .description('work with task directories')
    .command('validate <dirs...>')
    .description('check labels, vocabulary, audio or images, splits; name every fault')
    .addHelpText(
      'after',
      examples([
        'unlabel tasks validate ~/hear/tasks/esc50-v2.0.0-full',
        'unlabel tasks validate VOCdevkit coco imagenet-100',
      ]),
    )
    .action(async (dirs: string[]) => {
      const { findImageTasks, findTasks, validateImageTask, validateTask } = await import('@unlabel/tasks');
      const imageTasks = new Set((await Promise.all(dirs.map((dir) => findImageTasks(dir)))).flat());
      const others = await Promise.all(
        dirs.map(async (dir) => ((await findImageTasks(dir)).length > 0 ? [] : findTasks(dir))),
      );
      let faults = 0;
      for (const dir of [...imageTasks, ...others.flat()]) {
        const found = await (imageTasks.has(dir) ? validateImageTask(dir) : validateTask(dir));
        faults += found.faults.length;
        process.stdout.write(`${dir}: ${found.faults.length} faults, ${found.warnings.length} warnings\n`);
        for (const fault of found.faults) process.stdout.write(`  fault: ${fault}\n`);
        for (const warning of found.warnings) process.stdout.write(`  warning: ${warning}\n`);
      }
      if (faults > 0) process.exitCode = 1;
    });
}
