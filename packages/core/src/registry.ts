/** Lazy tables of things by id, with suggestions for a wrong name. */
import { ConfigError } from './errors.ts';

export type Registry<T> = Readonly<Record<string, () => Promise<T>>>;

/** Load `id` from a registry; an unknown id is a ConfigError with near ones. */
export async function load<T>(registry: Registry<T>, id: string, kind: string): Promise<T> {
  const entry = Object.hasOwn(registry, id) ? registry[id] : undefined;
  if (!entry) throw new ConfigError(unknownName(kind, id, Object.keys(registry)));
  return entry();
}

/** `unknown method "delore": did you mean delores-s? Known: …` */
export function unknownName(kind: string, id: string, known: readonly string[]): string {
  const near = nearest(id, known);
  const hint = near.length > 0 ? ` Did you mean ${near.join(' or ')}?` : '';
  return `unknown ${kind} "${id}".${hint} Known: ${known.join(', ') || 'none'}.`;
}

/** Up to three names within an edit distance of a third of the word's length, or containing it. */
export function nearest(word: string, known: readonly string[]): string[] {
  const limit = Math.max(2, Math.floor(word.length / 3));
  return known
    .map((name) => ({ name, distance: name.includes(word) && word.length > 2 ? 0 : editDistance(word, name) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name);
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}
