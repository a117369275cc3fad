/** Nodes and what they remember: scopes, the line that made them, and graphs as text. */
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  broadcastTo,
  cast,
  constant,
  gather,
  input,
  layerNorm,
  linear,
  matmul,
  nodesOf,
  printGraph,
  relu,
  reshape,
  scoped,
  splitHeads,
  sum,
  type Tensor,
} from '../../src/graph/index.ts';

const x = (): Tensor => input('x', 'float32', ['B', 7]);

describe('scopes', () => {
  it('nest, and end with their function, also when it throws', () => {
    const [inner, outer] = scoped('bert', () => [scoped('encoder', x), x()] as const);
    expect([inner.node.scope, outer.node.scope]).toEqual(['bert.encoder', 'bert']);
    expect(() =>
      scoped('bert', () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(x().node.scope).toBe('');
  });

  it('are part of a label', () => {
    const { node } = scoped('bert.encoder.layer.0', x);
    expect(node.label).toBe(`input_${node.number} in bert.encoder.layer.0`);
    expect(x().toString()).toMatch(/^input_\d+: float32\[B, 7\]$/);
  });
});

describe('operations that change nothing', () => {
  it('return their input', () => {
    const y = x();
    expect([reshape(y, ['B', 7]), broadcastTo(y, ['B', 7]), cast(y, 'float32'), sum(y, [])]).toEqual([
      y,
      y,
      y,
      y,
    ]);
  });
});

describe('nodesOf', () => {
  it('lists each node once, after its inputs', () => {
    const y = relu(x());
    const nodes = nodesOf([add(y, y), y]);
    expect(nodes.map(({ op }) => op)).toEqual(['input', 'relu', 'add']);
    expect(nodesOf([])).toEqual([]);
  });

  it('walks graphs that are deeper than the stack', () => {
    let y = x();
    for (let i = 0; i < 20_000; i++) y = relu(y);
    expect(nodesOf([y])).toHaveLength(20_001);
  });
});

describe('printGraph', () => {
  it('prints a line a node, with attributes, types and scopes', () => {
    const first = input('x', 'float32', ['B', 'S', 8]);
    const weights = constant(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), 'float32', [8]);
    const result = scoped('bert', () => {
      const normalized = layerNorm(first, weights, weights, 1e-12);
      const heads = scoped('attention', () => splitHeads(normalized, 2));
      return sum(add(matmul(heads, heads, { transposeB: true, scale: 0.5 }), 1), [-1], true);
    });
    const start = first.node.number;
    const text = printGraph([result]).replace(/_(\d+)/g, (_, number: string) => `_${Number(number) - start}`);
    expect(text).toMatchInlineSnapshot(`
      "input_0 = input(name=x): float32[B, S, 8]
      constant_1 = constant(data=[1, 2, 3, 4, … 8 in all], shape=[8]): float32[8]
      layerNorm_2 = layerNorm(input_0, constant_1, constant_1, epsilon=1e-12): float32[B, S, 8], float32[B, S, 1], float32[B, S, 1]  # bert
      reshape_3 = reshape(layerNorm_2, shape=[B, S, 2, 4]): float32[B, S, 2, 4]  # bert.attention
      transpose_4 = transpose(reshape_3, permutation=[0, 2, 1, 3]): float32[B, 2, S, 4]  # bert.attention
      matmul_5 = matmul(transpose_4, transpose_4, transposeA=false, transposeB=true, scale=0.5): float32[B, 2, S, S]  # bert
      constant_6 = constant(data=[1], shape=[]): float32[]  # bert
      add_7 = add(matmul_5, constant_6): float32[B, 2, S, S]  # bert
      sum_8 = sum(add_7, axes=[3], keepDims=true): float32[B, 2, S, 1]  # bert"
    `);
  });

  it('leaves out attributes that are not set', () => {
    const y = gather(input('table', 'float32', [3, 2]), input('ids', 'int32', ['B']));
    expect(printGraph([y])).toMatch(/= gather\(input_\d+, input_\d+\): float32\[B, 2\]$/);
  });

  it('names outputs other than the first', () => {
    const y = layerNorm(
      x(),
      constant(new Float32Array(7), 'float32', [7]),
      input('b', 'float32', [7]),
      1e-12,
    );
    const [, average] = y.node.outputs;
    expect(printGraph([relu(average!)])).toMatch(/= relu\(layerNorm_\d+\.1\): float32\[B, 1\]$/);
  });
});

describe('the source of a node', () => {
  /** The lines of two functions of a model: a user's, and one that calls the head layout of the graph room. */
  const MODEL = `import { input, matmul, splitHeads } from 'GRAPH';
const x = input('x', 'float32', ['B', 'S', 8]);
console.log(x.node.source);
console.log(splitHeads(x, 2).node.source);
try {
  matmul(x, input('y', 'float32', [3, 8]));
} catch (error) {
  console.log(error.message);
}
`;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bertram-graph-'));
    for (const room of ['graph', 'support']) {
      await mkdir(join(directory, room));
      for (const file of await readdir(`src/${room}`)) {
        const built = ts.transpileModule(await readFile(`src/${room}/${file}`, 'utf8'), {
          compilerOptions: {
            module: ts.ModuleKind.ESNext,
            target: ts.ScriptTarget.ES2023,
            rewriteRelativeImportExtensions: true,
            verbatimModuleSyntax: true,
          },
        });
        await writeFile(join(directory, room, file.replace(/\.ts$/, '.js')), built.outputText);
      }
    }
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
    await writeFile(join(directory, 'built-model.js'), MODEL.replace('GRAPH', './graph/index.js'));
    await writeFile(
      join(directory, 'model.ts'),
      MODEL.replace('GRAPH', join(import.meta.dirname, '../../src/graph/index.ts')),
    );
  });
  afterAll(() => rm(directory, { recursive: true }));

  const run = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return stdout.trim().split('\n');
  };

  it('is the line that called the operation', () => {
    const y = relu(x());
    const [, lineBelow] = new Error().stack!.split('\n');
    const lineOf = (text: string): number => Number(/tensor\.test\.ts:(\d+)/.exec(text)![1]);
    expect(lineOf(y.node.source!)).toBe(lineOf(lineBelow!) - 1);
    expect(y.node.source).toMatch(/test\/graph\/tensor\.test\.ts:\d+:\d+$/);
  });

  it('is the line that lifted a number, and that of a layer which is called elsewhere', () => {
    const layer = (h: Tensor): Tensor => linear(h, input('w', 'float32', [5, 7]));
    const { node } = add(layer(x()), 1);
    expect(node.inputs[1]!.node.source).toBe(node.source);
    expect(node.inputs[0]!.node.source).not.toBe(node.source);
  });

  it('is the line of the built file where there are no source maps', async () => {
    const [source, headSource, message] = await run(join(directory, 'built-model.js'));
    expect(source).toMatch(/built-model\.js:2:11$/);
    expect(headSource).toMatch(/built-model\.js:4:13$/);
    expect(message).toMatch(/ and float32\[3, 8\] \(\S*built-model\.js:6:3\)$/);
  });

  it('is the line of the TypeScript file under tsx', async () => {
    const [source, headSource, message] = await run('--import', 'tsx', join(directory, 'model.ts'));
    expect(source).toMatch(/model\.ts:2:\d+$/);
    expect(headSource).toMatch(/model\.ts:4:\d+$/);
    expect(message).toMatch(/ and float32\[3, 8\] \(\S*model\.ts:6:\d+\)$/);
  });

  it('is missing, and nothing else, where stacks are switched off', async () => {
    const [source, , message] = await run('--stack-trace-limit=0', join(directory, 'built-model.js'));
    expect(source).toBe('undefined');
    expect(message).toMatch(/^matmul: .* and float32\[3, 8\]$/);
  });
});
