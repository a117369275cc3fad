/** Reads the imports of a source tree, and tells which of them cross a border that they may not. */
import { posix } from 'node:path';
import ts from 'typescript';

/** The files of `src/`, by their path in it, such as `graph/tensor.ts`. */
export type SourceTree = ReadonlyMap<string, string>;

export interface Import {
  readonly specifier: string;
  /** `import type` and `export type`, which are gone when the program runs. */
  readonly erased: boolean;
}

/** All imports of a file, re-exports and `import()` included. */
export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      const { moduleSpecifier } = node;
      // A clause of `{ type A }` is not erased: it stays behind as an import for its side effects.
      const erased = ts.isImportDeclaration(node)
        ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
        : node.isTypeOnly;
      if (moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier))
        found.push({ specifier: moduleSpecifier.text, erased });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      const specifier = argument !== undefined && ts.isStringLiteral(argument) ? argument.text : '(computed)';
      found.push({ specifier, erased: false });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const { literal } = node.argument;
      if (ts.isStringLiteral(literal)) found.push({ specifier: literal.text, erased: true });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023));
  return found;
}

/** The room of a path, such as `graph`; files of `src/` itself are in none. */
export function roomOf(path: string): string | undefined {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined;
}

const resolve = (from: string, specifier: string): string => posix.join(posix.dirname(from), specifier);

/** Imports of one room from another that the table does not grant. */
export function crossedBorders(
  tree: SourceTree,
  mayImport: Readonly<Record<string, readonly string[]>>,
): string[] {
  const crossed: string[] = [];
  for (const [path, text] of tree) {
    const room = roomOf(path);
    if (room === undefined) continue;
    const granted = mayImport[room];
    if (granted === undefined) {
      crossed.push(`${path}: ${room} is not in the table of rooms`);
      continue;
    }
    for (const { specifier } of importsOf(path, text)) {
      if (!specifier.startsWith('.')) continue;
      const other = roomOf(resolve(path, specifier));
      if (other !== room && (other === undefined || !granted.includes(other)))
        crossed.push(`${path} imports ${specifier}`);
    }
  }
  return crossed;
}

/** Imports of packages that only one room may know, outside that room. */
export function strayPackages(
  tree: SourceTree,
  isGuarded: (specifier: string) => boolean,
  room: string,
): string[] {
  return [...tree].flatMap(([path, text]) =>
    importsOf(path, text)
      .filter(({ specifier }) => roomOf(path) !== room && isGuarded(specifier))
      .map(({ specifier }) => `${path} imports ${specifier}`),
  );
}

/** What keeps the entries out of a browser: imports of Node's modules that they reach, each with the way to it. */
export function nodeImports(
  tree: SourceTree,
  entries: readonly string[],
  isNode: (specifier: string) => boolean,
): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const pending = entries.map((path) => ({ path, way: [path] }));
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { path, way } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    const text = tree.get(path);
    if (text === undefined) {
      found.push(`${way.join(' > ')}: no such file`);
      continue;
    }
    for (const { specifier, erased } of importsOf(path, text)) {
      if (erased) continue;
      if (isNode(specifier)) found.push([...way, specifier].join(' > '));
      if (specifier.startsWith('.'))
        pending.push({ path: resolve(path, specifier), way: [...way, resolve(path, specifier)] });
    }
  }
  return found;
}
