/** One event a line, for other programs. */
import type { Display, Progress } from './display.ts';
import { createEstimator } from './estimate.ts';

const everyMs = 500;

export function jsonDisplay(stream: NodeJS.WritableStream): Display {
  let next = 0;
  const emit = (event: Record<string, unknown>): void => void stream.write(`${JSON.stringify(event)}\n`);
  return {
    task(label, total, unit): Progress {
      const id = next++;
      const estimate = createEstimator(total);
      let last = 0;
      let latest = 0;
      emit({ event: 'start', id, label, total, unit });
      return {
        update(done, note) {
          latest = done;
          const { rate, eta, elapsed } = estimate(done);
          if (performance.now() - last < everyMs) return;
          last = performance.now();
          emit({ event: 'progress', id, label, done, total, unit, rate, eta, elapsed, note });
        },
        finish(note) {
          emit({ event: 'done', id, label, done: latest, elapsed: estimate(latest).elapsed, note });
        },
      };
    },
    line: (text) => emit({ event: 'line', text }),
    warn: (text) => emit({ event: 'warning', text }),
    close() {},
  };
}
