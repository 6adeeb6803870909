/** Bars and dots with whiskers as inline SVG; the numbers stand beside them as text, so they are hidden from readers. */
import type { Difference } from '@unlabel/probes';
import { html, type Markup } from './escape.ts';

const clamp = (value: number): number => Math.min(Math.max(value, 0), 1);
/** Short enough to keep the page small; a thousandth of a bar is below a pixel. */
const coordinate = (value: number): string => String(Number((100 * clamp(value)).toFixed(1)));

/** A bar from 0 to 1 with a whisker over the interval; nothing when there is no value in that range. */
export function bar({ value, low, high }: Difference): Markup {
  if (value === null || value < 0 || value > 1) return html``;
  const whisker =
    low === null || high === null
      ? html``
      : html`<path
          class="line"
          d="M${coordinate(low)} 5H${coordinate(high)}M${coordinate(low)} 2.5V7.5M${coordinate(high)} 2.5V7.5"
        />`;
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">
    <rect class="track" width="100" height="10" />
    <rect class="fill" width="${coordinate(value)}" height="10" />
    ${whisker}
  </svg>`;
}

/** A difference on an axis of −span…span around zero. */
export function dot({ value, low, high }: Difference, span: number): Markup {
  const x = (of: number): string => coordinate(0.5 + of / (2 * span));
  const interval =
    low === null || high === null
      ? html``
      : html`<path class="line" d="M${x(low)} 10H${x(high)}M${x(low)} 6V14M${x(high)} 6V14" />`;
  const position = value === null ? html`` : html`<circle class="dot" cx="${x(value)}%" cy="50%" r="3.5" />`;
  return html`<svg aria-hidden="true" focusable="false">
    <svg viewBox="0 0 100 20" preserveAspectRatio="none">
      <path class="zero" d="M50 0V20" />
      ${interval}</svg
    >${position}
  </svg>`;
}

/** The smallest round span that holds every interval. */
export function spanOf(differences: readonly Difference[]): number {
  const most = Math.max(
    0.01,
    ...differences.flatMap(({ value, low, high }) => [value, low, high].map((v) => Math.abs(v ?? 0))),
  );
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1].find((step) => step >= most) ?? Math.ceil(most);
}
