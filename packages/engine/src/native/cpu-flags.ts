/** What the CPU can do, as Linux lists it. */
import { readFileSync } from 'node:fs';

/** A CPU's flags in `/proc/cpuinfo`'s text; undefined where it lists none. */
export function flagsOf(cpuinfo: string | undefined): ReadonlySet<string> | undefined {
  const line = cpuinfo === undefined ? undefined : /^(?:flags|Features)\s*:\s*(.+)$/m.exec(cpuinfo)?.[1];
  return line === undefined ? undefined : new Set(line.trim().split(/\s+/));
}

/** The text of `/proc/cpuinfo`, where there is one. */
export function readCpuinfo(): string | undefined {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return undefined;
  }
}
