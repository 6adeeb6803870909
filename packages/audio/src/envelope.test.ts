import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { envelope } from './envelope.ts';

const fixture = JSON.parse(readFileSync(new URL('../fixtures/envelope.json', import.meta.url), 'utf8')) as Record<
  string,
  number[]
>; // made by tools/fixtures/scene_metrics.py

test.each([48, 45])('is scipy’s |hilbert| of %i samples', (size) => {
  const signal = Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * i) * (1 + 0.5 * Math.cos(0.021 * i * i)) + 0.1); // prettier-ignore
  envelope(signal).forEach((value, i) => expect(value).toBeCloseTo(fixture[size]![i]!, 5));
});
