/** How long a command takes to answer. */
import type { Suite } from '../lib/measure.ts';

const bin = new URL('../../apps/harness/bin/unlabel.mjs', import.meta.url).pathname;

export const startup: Suite = {
  name: 'startup',
  description: '`unlabel --help`, whole process; beside it Node alone, and the import of PyTorch in Python.',
  works: ['start'],
  repetitions: 15,
  contenders: async ({ python }) => [
    {
      label: 'unlabel --help',
      command: process.execPath,
      args: ['--conditions=@unlabel/source', bin, '--help'],
      isCommand: true,
    },
    { label: 'node -e 0', command: process.execPath, args: ['-e', '0'], isCommand: true },
    ...(python === undefined
      ? []
      : [{ label: 'python -c "import torch"', command: python, args: ['-c', 'import torch'], isCommand: true }]),
  ],
};
