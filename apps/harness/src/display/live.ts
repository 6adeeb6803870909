/** Bars that redraw in place, at most every 100 ms; lines are printed above them. */
import type { Display, Progress } from './display.ts';
import { clock, createEstimator, rateText } from './estimate.ts';

interface Bar {
  readonly label: string;
  readonly total: number | undefined;
  readonly unit: string;
  readonly estimate: ReturnType<typeof createEstimator>;
  done: number;
  note: string;
}

const redrawMs = 100;

export function liveDisplay(stream: NodeJS.WriteStream): Display {
  const bars: Bar[] = [];
  let drawn = 0; // lines of the window now on screen
  let timer: NodeJS.Timeout | undefined;
  let last = 0;

  const erase = (): string => (drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : '');
  const draw = (above = ''): void => {
    clearTimeout(timer);
    timer = undefined;
    last = Date.now();
    const width = Math.max(40, (stream.columns ?? 80) - 1);
    const lines = bars.map((bar) => render(bar, width));
    stream.write(erase() + above + lines.map((line) => `${line}\n`).join(''));
    drawn = lines.length;
  };
  const schedule = (): void => {
    if (timer) return;
    timer = setTimeout(() => draw(), Math.max(0, redrawMs - (Date.now() - last)));
    timer.unref();
  };

  return {
    task(label, total, unit = ''): Progress {
      const bar: Bar = { label, total, unit, estimate: createEstimator(total), done: 0, note: '' };
      bars.push(bar);
      draw();
      return {
        update(done, note) {
          bar.done = done;
          if (note !== undefined) bar.note = note;
          schedule();
        },
        finish(note) {
          const at = bars.indexOf(bar);
          if (at < 0) return;
          bars.splice(at, 1);
          const { elapsed } = bar.estimate(bar.done);
          draw(`\x1b[32m✓\x1b[0m ${label}  \x1b[2m${clock(elapsed)}${note ? `  ${note}` : ''}\x1b[0m\n`);
        },
      };
    },
    line: (text) => draw(`${text}\n`),
    warn: (text) => draw(`\x1b[33m! ${text}\x1b[0m\n`),
    close() {
      clearTimeout(timer);
      if (bars.length > 0) draw();
      drawn = 0;
      bars.length = 0;
    },
  };
}

const barWidth = 22;

function render(bar: Bar, width: number): string {
  const { rate, eta, elapsed } = bar.estimate(bar.done);
  const share = bar.total ? Math.min(1, bar.done / bar.total) : 0;
  const filled = Math.round(share * barWidth);
  const gauge = bar.total
    ? `${'━'.repeat(filled)}${'╌'.repeat(barWidth - filled)} ${String(Math.round(share * 100)).padStart(3)} %`
    : '';
  const count = bar.total ? `${bar.done}/${bar.total} ${bar.unit}` : `${bar.done || ''} ${bar.done ? bar.unit : ''}`;
  const time = eta === undefined ? clock(elapsed) : `ETA ${clock(eta)}`;
  const text = [`  ${bar.label}`, gauge, count, rateText(rate, bar.unit), time, bar.note]
    .filter((part) => part.trim() !== '')
    .join('  ');
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}
