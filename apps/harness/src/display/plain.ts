/** One line every few seconds a task, for logs and CI. */
import type { Display, Progress } from './display.ts';
import { clock, createEstimator, rateText } from './estimate.ts';

const everySeconds = 10;

export function plainDisplay(stream: NodeJS.WritableStream): Display {
  const say = (text: string): void => void stream.write(`${text}\n`);
  return {
    task(label, total, unit = ''): Progress {
      const estimate = createEstimator(total);
      let last = performance.now();
      let latest = 0;
      return {
        update(done, note) {
          latest = done;
          const state = estimate(done);
          if (performance.now() - last < everySeconds * 1000) return;
          last = performance.now();
          const share = total ? ` ${Math.round((100 * done) / total)} %` : '';
          const eta = state.eta === undefined ? '' : `, ETA ${clock(state.eta)}`;
          const rate = rateText(state.rate, unit);
          say(
            `${label}:${share} ${done}${total ? `/${total}` : ''} ${unit}${rate ? `, ${rate}` : ''}${eta}${note ? `, ${note}` : ''}`,
          );
        },
        finish(note) {
          say(`${label}: done in ${clock(estimate(latest).elapsed)}${note ? `, ${note}` : ''}`);
        },
      };
    },
    line: say,
    warn: (text) => say(`warning: ${text}`),
    close() {},
  };
}
