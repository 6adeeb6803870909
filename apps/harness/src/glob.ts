/** `*` any characters, `?` one, `{a,b}` either, `,` between patterns: enough for ids. */
import { ConfigError } from '@unlabel/core';

export function globMatcher(pattern: string | undefined): (id: string) => boolean {
  if (pattern === undefined || pattern === '') return () => true;
  const patterns = pattern.split(/,(?![^{]*\})/).map((part) => part.trim());
  const expressions = patterns.map((part) => {
    const source = part
      .replace(/[.+^$()|[\]\\]/g, '\\$&')
      .replace(/\*/g, '.*')
      .replace(/\?/g, '.')
      .replace(/\{([^{}]*)\}/g, (_, list: string) => `(?:${list.split(',').join('|')})`);
    try {
      return new RegExp(`^${source}$`);
    } catch {
      throw new ConfigError(`"${pattern}" is no pattern; use * for any characters, ? for one, {a,b} for either.`);
    }
  });
  return (id) => expressions.some((expression) => expression.test(id));
}
