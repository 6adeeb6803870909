/** The registry's generated lines: one a method, sorted, between two markers. */
const begin = '// methods:begin';
const end = '// methods:end';
const entry = /^\s*'([^']+)':/;

/** Ids of the methods in the registry's source. */
export function registeredIds(source: string): string[] {
  return linesOf(source).flatMap((line) => entry.exec(line)?.[1] ?? []);
}

/** The source with one more line, at its place in the order of ids. */
export function addMethod(source: string, id: string, propertyName: string): string {
  const lines = linesOf(source);
  const line = `  '${id}': () => import('@unlabel/${id}').then((m) => m.${propertyName}),`;
  // An entry may take several lines once it is formatted: what follows its first line moves with it.
  const at = lines.findIndex((held) => (entry.exec(held)?.[1] ?? '') > id);
  const added = lines.toSpliced(at < 0 ? lines.length : at, 0, line);
  return source.replace(lines.length === 0 ? betweenEmpty : lines.join('\n'), () =>
    lines.length === 0 ? `${begin}\n${added.join('\n')}\n  ${end}` : added.join('\n'),
  );
}

const betweenEmpty = new RegExp(`${begin}\\n\\s*${end}`);

function linesOf(source: string): string[] {
  const from = source.indexOf(begin);
  const to = source.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`apps/harness/src/registry.ts: expected the markers "${begin}" and "${end}".`);
  return source.slice(from, to).split('\n').slice(1, -1);
}
