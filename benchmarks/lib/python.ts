/** The Python that runs the peers: a virtual environment beside the benchmarks, made when it is asked for. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const folder = new URL('../.venv', import.meta.url).pathname;
const packages = ['torch', 'torchaudio', 'torchvision', 'soundfile', 'scikit-learn', 'pycocotools'];

const interpreter = (venv: string): string =>
  process.platform === 'win32' ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');

const imports = (python: string): boolean =>
  spawnSync(python, ['-c', 'import torch, torchvision, soundfile, sklearn, pycocotools'], { stdio: 'ignore' })
    .status === 0;

/** The environment's Python when it is there and works. */
export function findPython(): string | undefined {
  const python = interpreter(folder);
  return existsSync(python) && imports(python) ? python : undefined;
}

/**
 * Makes the environment with the user's own pip, whose configuration decides where packages come from. Several GB.
 * @throws Error that says what is missing
 */
export function makePython(): string {
  const found = findPython();
  if (found !== undefined) return found;
  const system = ['python3', 'python'].find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (system === undefined) throw new Error('the peers need Python 3.10 or newer; there is none on the path');
  process.stderr.write(`Making ${folder} with ${packages.join(', ')} (several GB, a few minutes) …\n`);
  rmSync(folder, { recursive: true, force: true });
  const python = interpreter(folder);
  const steps: [string, string[]][] = [
    [system, ['-m', 'venv', folder]],
    [python, ['-m', 'pip', 'install', '--quiet', ...packages]],
  ];
  for (const [command, args] of steps) {
    const { status } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) {
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`${command} ${args.join(' ')} failed: its message stands above`);
    }
  }
  return python;
}
