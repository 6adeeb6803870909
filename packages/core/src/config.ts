/** Reading configuration: schemas, `--set a.b=c` overrides, and errors that name the field. */
import { z } from 'zod';
import { ConfigError } from './errors.ts';

/** Parse `value` with `schema`; a failure is a ConfigError headed by `where`. */
export function parseConfig<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConfigError(`${where}:\n${z.prettifyError(parsed.error)}`);
}

/** `['a.b=3', 'c=x']` → { a: { b: 3 }, c: 'x' }; values are JSON where they parse, strings otherwise. */
export function parseOverrides(assignments: readonly string[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const assignment of assignments) {
    const at = assignment.indexOf('=');
    const path = at < 0 ? [] : assignment.slice(0, at).trim().split('.');
    if (path.length === 0 || path.some((key) => key === '' || key === '__proto__')) {
      throw new ConfigError(`--set ${assignment}: expected key=value, for example --set recipe.lr=0.003`);
    }
    let node = root;
    for (const key of path.slice(0, -1)) {
      const next = node[key];
      node = isPlainObject(next) ? next : ((node[key] = {}) as Record<string, unknown>);
    }
    node[path.at(-1)!] = parseValue(assignment.slice(at + 1));
  }
  return root;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Deep merge of plain objects; later wins, arrays and scalars are replaced, undefined is skipped. */
export function mergeConfig(
  ...layers: readonly (Readonly<Record<string, unknown>> | undefined)[]
): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer ?? {})) {
      if (value === undefined) continue;
      const held = merged[key];
      merged[key] = isPlainObject(value) ? mergeConfig(isPlainObject(held) ? held : undefined, value) : value;
    }
  }
  return merged;
}

/** JSON with sorted keys: equal values, equal text. For hashes and resume checks. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, held: unknown) =>
    isPlainObject(held)
      ? Object.fromEntries(Object.entries(held).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : held,
  );
}
