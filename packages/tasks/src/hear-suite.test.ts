import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { foldsOf, hearTasks, openTask, validateTask, writeHearTask } from './index.ts';

const root = await mkdtemp(join(tmpdir(), 'unlabel-hear-'));

test('there are 19 tasks in 20 folders', () => {
  const names = hearTasks.map(({ name, version, mode }) => `${name}-${version}-${mode}`);
  expect(new Set(names).size).toBe(20);
  expect(new Set(names.map((name) => name.replace(/_fold\d/, ''))).size).toBe(19);
});

test.each(hearTasks.map((task) => [`${task.name}-${task.mode}`, task] as const))(
  '%s opens as it is and nothing is wrong with it',
  async (_name, task) => {
    const dir = await writeHearTask(root, task, { clips: 4, seconds: 0.2 });
    expect(await validateTask(dir)).toEqual({ faults: [], warnings: [] });
    const opened = await openTask(dir);
    expect(basename(dir)).toBe(`${opened.id}-${task.version}-${task.mode}`);
    expect(opened.vocabulary).toEqual(task.labels);
    expect(opened.metadata.evaluation).toEqual(task.metrics);
    expect(foldsOf(opened)).toHaveLength(task.folds ?? 1);
    const clips = [...opened.splits.values()].flat();
    expect(clips).toHaveLength(4 * opened.metadata.splits.length);
    expect(clips.every(({ events }) => (events !== undefined) === (task.embedding === 'event'))).toBe(true);
  },
);
