/** What a package declares and what its sources import, read with the TypeScript scanner: comments and strings don't count. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

export interface Import {
  readonly file: string;
  /** `@unlabel/core`, `node:fs`, `./x.ts`, `@scope/name/deep`. */
  readonly specifier: string;
  /** Erased by the compiler: `import type`, `export type`, or every name in it marked `type`. */
  readonly isType: boolean;
}

export interface Package {
  readonly root: string;
  readonly name: string;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
  readonly imports: readonly Import[];
}

/** The package part of a specifier; undefined for relative and built-in ones. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('/') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Imports, re-exports and `import('…')` of one source text. */
export function importsOf(file: string, text: string): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      found.push({ file, specifier: node.moduleSpecifier.text, isType: isErased(node.importClause) });
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      found.push({ file, specifier: node.moduleSpecifier.text, isType: node.isTypeOnly });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteral(argument)) found.push({ file, specifier: argument.text, isType: false });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const { literal } = node.argument;
      if (ts.isStringLiteral(literal)) found.push({ file, specifier: literal.text, isType: true });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isErased(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  return clause.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

/** All packages of the workspace at `workspace`, each with the imports of its `src`, `bin` and `scripts`. */
export function readPackages(workspace: string): Package[] {
  return globSync('{packages,packages/methods,apps,tools}/*/package.json', { cwd: workspace })
    .map((manifest) => readPackage(workspace, dirname(manifest)))
    .sort((a, b) => (a.root < b.root ? -1 : 1));
}

function readPackage(workspace: string, root: string): Package {
  const manifest = JSON.parse(readFileSync(join(workspace, root, 'package.json'), 'utf8')) as {
    name: string;
    dependencies?: Record<string, string>;
    optionalDependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
  };
  const files = globSync('{src,bin,scripts}/**/*.{ts,mjs}', { cwd: join(workspace, root) });
  return {
    root,
    name: manifest.name,
    dependencies: new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })),
    devDependencies: new Set(Object.keys(manifest.devDependencies ?? {})),
    imports: files.flatMap((file) => importsOf(file, readFileSync(join(workspace, root, file), 'utf8'))),
  };
}
