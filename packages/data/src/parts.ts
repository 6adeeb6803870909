/** What building a suite takes and gives, and the marker of a finished part. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markerName } from './task-files.ts';

export interface BuildOptions {
  readonly suite: 'quickstart' | 'audio' | 'images' | 'binaural';
  /** Folder that gets `tasks/`, `pretrain/` and `NOTICE`, or `images/`, or `binaural/`; made when missing. */
  readonly out: string;
  /** Ids of tasks, and `pretrain`; default all. */
  readonly only?: readonly string[];
  /** Worker threads; default one a core. */
  readonly threads?: number;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** Where packages are looked for, for tests; default: from this package upwards. */
  readonly packagesFrom?: string;
}

export interface BuildProgress {
  readonly phase: 'decode' | 'compose' | 'write';
  readonly done: number;
  readonly total: number;
}

export interface BuiltPart {
  /** A task's id, or `pretrain`. */
  readonly id: string;
  readonly dir: string;
  /** `kept`: it was complete. */
  readonly state: 'built' | 'kept' | 'failed';
  /** Hash of its files (`treeHash`). */
  readonly hash?: string;
  /** Clips or images of a task, or recordings of the pre-training set. */
  readonly clips?: number;
  /** Why it failed; the message is meant for the user. */
  readonly fault?: string;
  /** Built, but the bytes differ from those checked in. */
  readonly warning?: string;
}

export interface Marker {
  readonly builder: number;
  readonly id: string;
  readonly hash: string;
  readonly clips: number;
}

export const writeMarker = (dir: string, marker: Marker): void =>
  writeFileSync(join(dir, markerName), `${JSON.stringify(marker, null, 2)}\n`);

/** A part that is complete and of this builder. */
export function readMarker(id: string, dir: string, builder: number): BuiltPart | undefined {
  const path = join(dir, markerName);
  if (!existsSync(path)) return undefined;
  try {
    const marker = JSON.parse(readFileSync(path, 'utf8')) as Partial<Record<keyof Marker, unknown>>;
    if (marker.builder !== builder || typeof marker.hash !== 'string' || typeof marker.clips !== 'number')
      return undefined;
    return { id, dir, state: 'kept', hash: marker.hash, clips: marker.clips };
  } catch {
    return undefined; // a marker that cannot be read marks nothing
  }
}
