/** Progress of an engine installation: one task a phase. */
import type { InstallProgress } from '@unlabel/engine/native';
import type { Display, Progress } from './display.ts';

const labels: Record<InstallProgress['phase'], string> = {
  wait: 'wait for another installation',
  download: 'download TensorFlow through pip',
  unpack: 'verify and unpack',
  compile: 'compile the binding',
  test: 'test against the embedded engine',
  done: 'done',
};

export function installProgress(display: Display): { update: (event: InstallProgress) => void; finish: () => void } {
  let phase: InstallProgress['phase'] | undefined;
  let current: Progress | undefined;
  const finish = (): void => {
    current?.finish();
    current = undefined;
  };
  return {
    update(event) {
      if (event.phase !== phase) {
        finish();
        phase = event.phase;
        if (phase === 'done') return;
        current =
          event.total === undefined
            ? display.task(labels[phase])
            : display.task(labels[phase], Math.round(event.total / 1e6), 'MB');
      }
      if (event.done !== undefined) current?.update(Math.round(event.done / 1e6));
    },
    finish,
  };
}
