/** Every two registered methods of one modality, in either order, by every strategy: they combine, or are refused with a reason. */
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { ConfigError, createRng, mergeConfig, messageOf, type Method } from '@unlabel/core';
import { testEngine, tf } from '@unlabel/engine';
import { multi } from '@unlabel/multi-ssl';
import { methods } from '../registry.ts';
import { planOf } from './plan.ts';

beforeAll(() => testEngine());

/** Reasons for which two methods as they come do not combine, by the letter that README's table gives them. */
const reasons: readonly (readonly [letter: string, message: RegExp])[] = [
  ['s', /runs in stages of its own/],
  ['f', /different inputs \(frontEnd:/],
  ['p', /different inputs \(image: \{"mean"/],
  ['c', /different inputs \((seconds|crop|padding):/],
  ['i', /different inputs \(image: \{"cacheSide"/],
  ['t', /has no class token/],
  ['k', /cannot be connected/],
];
const strategies = ['il', 'joint', 'progressive', 'concat'] as const;
const shortOf = { il: 'il', joint: 'joint', progressive: 'prog', concat: 'concat' } as const;

/** Both with their small settings, which have other names in some packages. */
function together(pair: readonly Method[], strategy: string, parts: Record<string, unknown> = {}): void {
  const method = multi(pair);
  const config = Object.fromEntries(
    pair.map(({ id, presets }) => {
      const small = presets['small'] ?? presets['quickstart'] ?? presets['quick'];
      return [id, { config: { ...small?.config } }];
    }),
  );
  const [part] = planOf(method, 'paper', { strategy, parts: mergeConfig(config, parts) }).parts;
  const model = part!.method.build(part!.config, { rng: createRng(1) });
  tf.dispose([...new Set([...model.trainable.values(), ...model.state.values()])]);
}

/** `il joint concat`, and letters of what stands in the way of the others. */
function outcomeOf(pair: readonly Method[]): string {
  const letters = new Set<string>();
  const combine = strategies.filter((strategy) => {
    try {
      together(pair, strategy);
      return true;
    } catch (cause) {
      expect(cause).toBeInstanceOf(ConfigError);
      const found = reasons.filter(([, message]) => message.test(messageOf(cause)));
      expect(found, messageOf(cause)).toHaveLength(1);
      letters.add(found[0]![0]);
      return false;
    }
  });
  return [...combine.map((strategy) => shortOf[strategy]), ...[...letters].sort()].join(' ');
}

test.each(['audio', 'image', 'audio-visual'])(
  '%s: what combines is what the table says',
  async (modality) => {
    const readme = await readFile(new URL('../../../../packages/methods/multi-ssl/README.md', import.meta.url), 'utf8');
    const all = (await Promise.all(Object.values(methods).map((load) => load()))).filter(
      ({ card }) => card.modality === modality,
    );
    const cells = (line: string): string[] => line.split('|').slice(1, -1).map((cell) => cell.trim().replace(/^`|`$/g, '')); // prettier-ignore
    const rows = readme.split('\n').filter((line) => line.startsWith('|')).map(cells); // prettier-ignore
    for (const first of all) {
      const row = [first.id, ...all.map((second) => (first === second ? '' : outcomeOf([first, second])))];
      expect(rows).toContainEqual(row);
    }
  },
  120_000,
);

test('what the reason names makes the pair combine', async () => {
  const [clip, frame, moco, simclr] = await Promise.all(
    ['atst-clip', 'atst-frame', 'moco', 'simclr'].map((id) => methods[id]!()),
  );
  const token = { 'atst-frame': { config: { classToken: true } } };
  for (const strategy of ['il', 'joint']) together([frame!, clip!], strategy, token);
  const pixels = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  together([moco!, simclr!], 'il', { simclr: { config: pixels } });
});
