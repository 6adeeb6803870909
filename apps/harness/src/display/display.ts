/**
 * How progress reaches a person. Code never prints: it opens tasks on a Display. Results go to stdout, progress to stderr.
 */
import { ConfigError } from '@unlabel/core';
import { jsonDisplay } from './json.ts';
import { liveDisplay } from './live.ts';
import { plainDisplay } from './plain.ts';

/** One thing under way. */
export interface Progress {
  /** `done` of the task's total; `note` is a short text beside the bar (loss, file). */
  update(done: number, note?: string): void;
  finish(note?: string): void;
}

export interface Display {
  /** Begin a task. `total` in `unit`s gives a bar, a rate and an ETA. */
  task(label: string, total?: number, unit?: string): Progress;
  /** A line that stays. */
  line(text: string): void;
  /** Something the user should not miss. */
  warn(text: string): void;
  close(): void;
}

export const displayNames = ['live', 'plain', 'json', 'none'] as const;
export type DisplayName = (typeof displayNames)[number];

/** The display asked for, else live on a terminal outside CI, plain otherwise. */
export function createDisplay(name?: string): Display {
  const wanted =
    name ?? process.env['UNLABEL_DISPLAY'] ?? (process.stderr.isTTY && !process.env['CI'] ? 'live' : 'plain');
  switch (wanted) {
    case 'live':
      return liveDisplay(process.stderr);
    case 'plain':
      return plainDisplay(process.stderr);
    case 'json':
      return jsonDisplay(process.stderr);
    case 'none':
      return silentDisplay;
    default:
      throw new ConfigError(`--display ${wanted}: expected ${displayNames.join(', ')}.`);
  }
}

export const silentDisplay: Display = {
  task: () => ({ update() {}, finish() {} }),
  line() {},
  warn() {},
  close() {},
};
