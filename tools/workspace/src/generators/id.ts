/** Ids of what generators make: they become a folder, a package name and an identifier. */
import { names, type Tree } from '@nx/devkit';
import { layers } from '../boundaries.ts';

const pattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const longest = 40;

/** Words that cannot name a value in a module. */
const reserved = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends false ' +
    'finally for function if implements import in instanceof interface let new null package private protected public ' +
    'return static super switch this throw true try typeof undefined var void while with yield'
  ).split(' '),
);

/** Every package name of the workspace without its scope, with the folder it stands in. */
export function takenNames(tree: Tree): Map<string, string> {
  const taken = new Map<string, string>(layers.map((layer) => [layer, 'the layers of the workspace']));
  for (const parent of ['packages', 'packages/methods', 'apps', 'tools']) {
    for (const child of tree.children(parent)) {
      const manifest = `${parent}/${child}/package.json`;
      if (!tree.exists(manifest)) continue;
      const { name } = JSON.parse(tree.read(manifest, 'utf8') ?? '{}') as { name?: string };
      if (name?.startsWith('@unlabel/')) taken.set(name.slice('@unlabel/'.length), `${parent}/${child}`);
    }
  }
  return taken;
}

/** @throws Error that says what is wrong with the id and what would do. */
export function checkId(tree: Tree, id: string): void {
  if (!pattern.test(id)) {
    const suggestion = id
      .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^[^a-z]+|-+$/g, '');
    const hint = pattern.test(suggestion) ? ` Try "${suggestion}".` : '';
    throw new Error(`"${id}" cannot be an id: expected kebab-case that starts with a letter, such as byol-a.${hint}`);
  }
  if (id.length > longest) throw new Error(`"${id}" has ${id.length} characters; an id has at most ${longest}.`);
  if (reserved.has(names(id).propertyName))
    throw new Error(`"${id}" is a word of the language and cannot name a value.`);
  const place = takenNames(tree).get(id);
  if (place !== undefined) throw new Error(`"${id}" is taken by ${place}. Choose another id.`);
}
