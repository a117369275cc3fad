/** The borders of the rooms in `src/`: who may import whom, who knows the engine, and what also runs in a browser. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crossedBorders, importsOf, nodeImports, roomOf, strayPackages, type SourceTree } from './borders.ts';

const SOURCE = join(import.meta.dirname, '../../src');

const training = [
  'training',
  'distributed',
  'optim',
  'autodiff',
  'runtime',
  'checkpoint',
  'nn',
  'graph',
  'support',
];

/** What each room may import, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  support: [],
  graph: ['support'],
  autodiff: ['graph', 'support'],
  onnx: ['graph', 'support'],
  runtime: ['onnx', 'graph', 'support'],
  nn: ['graph', 'support'],
  optim: ['nn', 'graph', 'support'],
  checkpoint: ['graph', 'support'],
  tokenizers: ['support'],
  bert: ['nn', 'graph', 'checkpoint', 'support'],
  distributed: ['support'],
  training: training.slice(1),
  pretraining: ['tokenizers', 'bert', ...training],
  squad: ['tokenizers', 'bert', ...training],
  classification: ['tokenizers', 'bert', ...training],
  charts: ['support'],
  reports: ['charts', ...training],
  // A pipeline builds the graph of its model, and hands it the int8 weights: hence nn and onnx.
  pipelines: [
    'squad',
    'classification',
    'tokenizers',
    'bert',
    'distributed',
    'runtime',
    'checkpoint',
    'nn',
    'onnx',
    'graph',
    'support',
  ],
  hub: ['checkpoint', 'support'],
  server: ['pipelines', 'support'],
};
const EVERYTHING = [...Object.keys(MAY_IMPORT), 'cli'];
const TABLE = { ...MAY_IMPORT, cli: EVERYTHING };

/** The rooms, and the parts of rooms, that run in a browser too. */
const BROWSER_ROOMS = ['tokenizers', 'graph', 'autodiff', 'onnx', 'nn'];
const BROWSER_FILES = ['bert/model.ts', 'bert/config.ts', 'runtime/index.ts'];

const isEngine = (specifier: string): boolean => /^(#onnxruntime|onnxruntime-)/.test(specifier);
const isNode = (specifier: string): boolean =>
  specifier.startsWith('node:') || builtinModules.includes(specifier);

function readTree(): SourceTree {
  const paths = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  return new Map(paths.map((path) => [path.split(sep).join('/'), readFileSync(join(SOURCE, path), 'utf8')]));
}
const tree = readTree();

/** The tree as bundlers for a browser see it: with the files that package.json puts in the place of others. */
function browserTree(): SourceTree {
  const manifest = readFileSync(join(SOURCE, '../package.json'), 'utf8');
  const { browser } = JSON.parse(manifest) as { browser: Record<string, string> };
  const replaced = Object.entries(browser)
    .map((pair) => pair.map((path) => path.replace(/^\.\/src\//, '')))
    .map(([path, other]) => [path!, tree.get(other!) ?? ''] as const);
  return new Map([...tree, ...replaced]);
}
const filesOf = (room: string, files: SourceTree = tree): string[] =>
  [...files.keys()].filter((path) => roomOf(path) === room);

describe('the rooms of src', () => {
  it('import no more than the table grants', () => {
    expect(tree.size).toBeGreaterThan(30);
    expect(crossedBorders(tree, TABLE)).toEqual([]);
  });

  it('leave the engine to the runtime', () => {
    expect(strayPackages(tree, isEngine, 'runtime')).toEqual([]);
    const engine = filesOf('runtime').filter((path) =>
      importsOf(path, tree.get(path)!).some(({ specifier }) => isEngine(specifier)),
    );
    expect(engine).toEqual(['runtime/binding-engine.ts']);
  });

  it('keep out of Node where they serve the browser', () => {
    const entries = [...BROWSER_ROOMS.flatMap((room) => filesOf(room)), ...BROWSER_FILES];
    expect(nodeImports(browserTree(), entries, isNode)).toEqual([]);
    expect(nodeImports(tree, ['runtime/index.ts'], isNode)).not.toEqual([]);
  });

  it('are not what the references of the tests are made of', () => {
    const directory = join(import.meta.dirname, '../reference');
    for (const file of readdirSync(directory).filter((name) => name.endsWith('.ts'))) {
      const imports = importsOf(file, readFileSync(join(directory, file), 'utf8'));
      expect(
        imports.filter(({ specifier }) => /src\/(nn|bert|optim)\//.test(specifier)),
        file,
      ).toEqual([]);
    }
  });

  it('have no circles in the table', () => {
    const reachable = (room: string, seen = new Set<string>()): Set<string> => {
      for (const next of MAY_IMPORT[room] ?? []) if (!seen.has(next)) reachable(next, seen.add(next));
      return seen;
    };
    for (const room of Object.keys(MAY_IMPORT)) expect(reachable(room).has(room), room).toBe(false);
  });
});

const planted = (path: string, text: string): SourceTree => new Map([[path, text]]);

describe('the test notices', () => {
  it.each([
    ['an import', "import { compile } from '../runtime/index.ts';"],
    ['an import of types', "import type { Program } from '../runtime/index.ts';"],
    ['an import for its effects', "import '../runtime/index.ts';"],
    ['a re-export', "export * from '../runtime/index.ts';"],
    ['an import when called', "export const load = () => import('../runtime/index.ts');"],
    ['a type', "export type P = import('../runtime/index.ts').Program;"],
    ['the root of the library', "import { compile } from '../index.ts';"],
  ])('%s across a border', (_, text) => {
    const [crossed, ...others] = crossedBorders(planted('nn/planted.ts', text), TABLE);
    expect(crossed).toMatch(/^nn\/planted\.ts imports \.\.\/(runtime\/)?index\.ts$/);
    expect(others).toEqual([]);
  });

  it('a room that is not in the table', () => {
    expect(crossedBorders(planted('utils/planted.ts', ''), TABLE)).toEqual([
      'utils/planted.ts: utils is not in the table of rooms',
    ]);
  });

  it('the engine outside the runtime', () => {
    for (const specifier of ['#onnxruntime', 'onnxruntime-node', 'onnxruntime-web/webgpu']) {
      const text = `import * as ort from '${specifier}';`;
      expect(strayPackages(planted('onnx/planted.ts', text), isEngine, 'runtime')).toEqual([
        `onnx/planted.ts imports ${specifier}`,
      ]);
    }
  });

  it("Node's modules that a browser room reaches, but not types of them", () => {
    const files: SourceTree = new Map([
      ['graph/a.ts', "import { b } from './b.ts';\nimport type { Buffer } from 'node:buffer';"],
      ['graph/b.ts', "import { c } from '../support/c.ts';"],
      ['support/c.ts', "import { readFileSync } from 'fs';\nimport { join } from 'node:path';"],
      ['support/d.ts', "import { readFileSync } from 'fs';"],
    ]);
    expect(nodeImports(files, ['graph/a.ts'], isNode)).toEqual([
      'graph/a.ts > graph/b.ts > support/c.ts > fs',
      'graph/a.ts > graph/b.ts > support/c.ts > node:path',
    ]);
    const erasedOnly: SourceTree = new Map([['graph/a.ts', "import { type Buffer } from 'node:buffer';"]]);
    expect(nodeImports(erasedOnly, ['graph/a.ts'], isNode)).toEqual(['graph/a.ts > node:buffer']);
  });
});
