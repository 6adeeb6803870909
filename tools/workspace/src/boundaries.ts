/** Which package may import which: each entry only from entries above it. */
import { packageOf, type Import, type Package } from './imports.ts';

export const layers = [
  'core',
  'formats',
  'engine',
  'nn',
  'audio',
  'image',
  'augment',
  'objectives',
  'backbones',
  'data',
  'probes',
  'tasks',
  'zoo',
  'methods',
  'leaderboard',
  'harness',
] as const;

/** Position in `layers`; −1 for a package that is in none (tools). */
export function layerOf({ root }: Pick<Package, 'root'>): number {
  const parts = root.split('/');
  const layer = parts[1] === 'methods' ? 'methods' : parts[0] === 'tools' ? undefined : parts.at(-1);
  return layers.findIndex((name) => name === layer);
}

/** `x.test.ts`, and `x.test-suite.ts`: tests that several engines' files share. */
const isTest = (file: string): boolean => /\.test(-suite)?\.ts$/.test(file);

/** One line a fault; empty when the package keeps to the rules. */
export function boundaryFaults(self: Package, packages: readonly Package[]): string[] {
  return self.imports.flatMap((entry) => {
    const target = packageOf(entry.specifier);
    if (target === undefined) return leavesPackage(entry) ? [`${place(self, entry)} leaves its package`] : [];
    const fault = faultOf(self, entry, target, packages);
    return fault === undefined ? [] : [`${place(self, entry)} ${fault}`];
  });
}

const place = (self: Package, entry: Import): string => `${self.root}/${entry.file}: ${entry.specifier}`;

/** A relative path out of the package's folder: it would go round the other package's exports. */
function leavesPackage({ file, specifier }: Import): boolean {
  if (!specifier.startsWith('.')) return false;
  let depth = file.split('/').length - 1;
  for (const part of specifier.split('/')) {
    if (part === '..') depth--;
    else if (part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

function faultOf(self: Package, entry: Import, target: string, packages: readonly Package[]): string | undefined {
  if (target === 'vitest' && isTest(entry.file)) return undefined; // the workspace's own test runner
  const isDev = entry.isType || isTest(entry.file);
  const isDeclared = self.dependencies.has(target) || (isDev && self.devDependencies.has(target));
  if (target.startsWith('@tensorflow/') && !entry.isType && self.root !== 'packages/engine') {
    return 'is a TensorFlow.js package, which only @unlabel/engine may import at run time';
  }
  if (target !== self.name && !isDeclared) return 'is not declared in package.json';
  const other = packages.find(({ name }) => name === target);
  if (other === undefined || other === self) return undefined;
  if (layerOf(self) < 0 || layerOf(other) < 0) {
    return layerOf(other) < 0 && layerOf(self) >= 0 ? 'is a tool of the workspace' : undefined;
  }
  return layerOf(other) >= layerOf(self)
    ? `is on the same or a higher layer (${layers[layerOf(self)]} may not use ${layers[layerOf(other)]})`
    : undefined;
}
