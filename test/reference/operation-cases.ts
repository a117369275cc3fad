/**
 * Uses of every operation, in awkward sizes, so that no two axes can be mistaken for one another. The tests of gradient
 * rules and of lowering rules run over this one table; an operation without a row does not compile.
 */
import * as graph from '../../src/graph/index.ts';
import type { Dim, DType, OpName, Shape, Tensor } from '../../src/graph/index.ts';
import { Random } from '../../src/support/random.ts';
import { sizeOf, type DenseArray } from './dense-array.ts';

/** The sizes of the letters in all cases. */
export const LETTERS: ReadonlyMap<string, number> = new Map([
  ['B', 13],
  ['S', 7],
  ['R', 40],
]);

interface InputSpec {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly draw: (random: Random, shape: readonly number[]) => number[];
}

export interface OperationCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** Applies the operation; the first result is the one that is differentiated. */
  readonly build: (inputs: Record<string, Tensor>) => Tensor | readonly Tensor[];
}

export interface OperationRow {
  /** Whether gradients flow to the float32 inputs, never do, or are refused. */
  readonly gradient: 'flows' | 'none' | 'refused';
  readonly cases: readonly OperationCase[];
}

const each =
  (draw: (random: Random) => number) =>
  (random: Random, shape: readonly number[]): number[] =>
    Array.from({ length: sizeOf(shape) }, () => Math.fround(draw(random)));

const normal = (shape: Shape, deviation = 1): InputSpec => ({
  dtype: 'float32',
  shape,
  draw: each((random) => deviation * random.nextNormal()),
});

/** 0.5 to 2.5. */
const positive = (shape: Shape): InputSpec => ({
  dtype: 'float32',
  shape,
  draw: each((random) => 0.5 + 2 * random.nextFloat()),
});

/** Normal, but no nearer to 0 than 0.1: for operations that break there. */
const nonzero = (shape: Shape): InputSpec => ({
  dtype: 'float32',
  shape,
  draw: each((random) => {
    const value = random.nextNormal();
    return value + 0.1 * (value < 0 ? -1 : 1);
  }),
});

/** Integers from `from` to below `to`. */
const integers = (shape: Shape, from: number, to: number, dtype: DType = 'int32'): InputSpec => ({
  dtype,
  shape,
  draw: each((random) => from + random.nextInteger(to - from)),
});

/** Rows of ones that end in padding of any length but the whole. */
const paddingMask = (shape: Shape): InputSpec => ({
  dtype: 'int32',
  shape,
  draw: (random, [rows, columns]) =>
    Array.from({ length: rows! }, () => {
      const length = 1 + random.nextInteger(columns!);
      return Array.from({ length: columns! }, (_, i) => Number(i < length));
    }).flat(),
});

type Binary = (a: Tensor, b: Tensor) => Tensor;

/** Every way two shapes broadcast. */
const BROADCASTS: readonly (readonly [Shape, Shape])[] = [
  [
    [13, 7],
    [13, 7],
  ],
  [[13, 7], [7]],
  [[7], [13, 7]],
  [
    [13, 1],
    [1, 7],
  ],
  [
    [13, 7, 1],
    [7, 32],
  ],
  [
    [1, 7],
    [13, 1, 7],
  ],
  [[13, 7], []],
  [[], [13, 7]],
  [[], []],
  [['B', 'S', 32], [32]],
  [
    ['B', 'S', 32],
    ['S', 32],
  ],
  [
    ['B', 1, 1, 'S'],
    ['B', 4, 'S', 'S'],
  ],
  [
    ['B', 1],
    [1, 'S'],
  ],
];

function binaryCases(apply: Binary, left: (shape: Shape) => InputSpec, right = left): OperationCase[] {
  return [
    ...BROADCASTS.map(([a, b]) => ({
      name: `[${a.join(', ')}] with [${b.join(', ')}]`,
      inputs: { a: left(a), b: right(b) },
      build: ({ a, b }: Record<string, Tensor>) => apply(a!, b!),
    })),
    {
      name: 'a tensor with itself',
      inputs: { a: right([13, 7]) },
      build: ({ a }: Record<string, Tensor>) => apply(a!, a!),
    },
  ];
}

function unaryCases(apply: (x: Tensor) => Tensor, spec: (shape: Shape) => InputSpec): OperationCase[] {
  return ([[13, 7, 32], ['B', 'S'], [1], []] satisfies Shape[]).map((shape) => ({
    name: `[${shape.join(', ')}]`,
    inputs: { x: spec(shape) },
    build: ({ x }: Record<string, Tensor>) => apply(x!),
  }));
}

/** One input x. */
const one = (
  name: string,
  x: InputSpec,
  apply: (x: Tensor) => Tensor | readonly Tensor[],
): OperationCase => ({ name, inputs: { x }, build: ({ x }) => apply(x!) });

function matmulCases(): OperationCase[] {
  const leadingAxes: readonly (readonly [Shape, Shape])[] = [
    [[], []],
    [[3], [3]],
    [
      [3, 4],
      [3, 4],
    ],
    [[3, 1], [4]],
    [[1], [3]],
    [[3], []],
    [[], [3]],
    [
      ['B', 4],
      ['B', 4],
    ],
    [['B', 'S'], []],
  ];
  return leadingAxes.flatMap(([leadingA, leadingB]) =>
    [false, true].flatMap((transposeA) =>
      [false, true].flatMap((transposeB) =>
        [1, 0.375].map((scale) => {
          const a = [...leadingA, ...(transposeA ? [5, 9] : [9, 5])];
          const b = [...leadingB, ...(transposeB ? [11, 5] : [5, 11])];
          const prime = (transposed: boolean): string => (transposed ? 'ᵀ' : '');
          return {
            name: `${scale} [${a.join(', ')}]${prime(transposeA)} [${b.join(', ')}]${prime(transposeB)}`,
            inputs: { a: normal(a), b: normal(b) },
            build: ({ a, b }: Record<string, Tensor>) =>
              graph.matmul(a!, b!, { transposeA, transposeB, scale }),
          };
        }),
      ),
    ),
  );
}

function linearCases(): OperationCase[] {
  return (
    [
      [13, 32],
      [13, 7, 32],
      ['B', 'S', 32],
      ['B*S', 32],
    ] satisfies Shape[]
  ).flatMap((shape) =>
    [true, false].map((biased) => ({
      name: `x [${shape.join(', ')}] ${biased ? 'with' : 'without'} bias`,
      inputs: {
        ...(shape[0] === 'B*S' ? { letters: normal(['B', 'S']) } : {}),
        x: normal(shape),
        weight: normal([37, 32]),
        ...(biased ? { bias: normal([37]) } : {}),
      },
      build: ({ letters, x, weight, bias }: Record<string, Tensor>) => {
        const y = graph.linear(x!, weight!, bias);
        return letters === undefined ? y : graph.add(y, graph.sum(letters));
      },
    })),
  );
}

const reshapeCase = (from: Shape, to: Shape): OperationCase =>
  one(`[${from.join(', ')}] to [${to.join(', ')}]`, normal(from), (x) => graph.reshape(x, to));

const attentionCase = (
  shape: readonly [Dim, Dim, number],
  heads: number,
  masked: boolean,
): OperationCase => ({
  name: `[${shape.join(', ')}], ${heads} heads, ${masked ? 'with padding' : 'no mask'}`,
  inputs: {
    query: normal(shape),
    key: normal(shape),
    value: normal(shape),
    ...(masked ? { mask: paddingMask(shape.slice(0, 2)) } : {}),
  },
  build: ({ query, key, value, mask }) => graph.attention(query!, key!, value!, mask, heads),
});

const gatherCase = (table: Shape, ids: InputSpec): OperationCase => ({
  name: `table [${table.join(', ')}], ids ${ids.dtype}[${ids.shape.join(', ')}]`,
  inputs: { table: normal(table), ids },
  build: ({ table, ids }) => graph.gather(table!, ids!),
});

const scatterCase = (updates: Shape, ids: InputSpec, rows: number): OperationCase => ({
  name: `updates [${updates.join(', ')}], ids ${ids.dtype}[${ids.shape.join(', ')}] into ${rows} rows`,
  inputs: { updates: normal(updates), ids },
  build: ({ updates, ids }) => graph.scatterAdd(updates!, ids!, rows),
});

const oneHotCase = (ids: InputSpec, depth: number): OperationCase => ({
  name: `ids ${ids.dtype}[${ids.shape.join(', ')}], depth ${depth}`,
  inputs: { ids },
  build: ({ ids }) => graph.oneHot(ids!, depth),
});

const labelledCase = (
  shape: Shape,
  labels: InputSpec,
  build: (logits: Tensor, labels: Tensor) => Tensor,
): OperationCase => ({
  name: `logits [${shape.join(', ')}], labels ${labels.dtype}[${labels.shape.join(', ')}]`,
  inputs: { logits: normal(shape, 3), labels },
  build: ({ logits, labels }) => build(logits!, labels!),
});

/** The gradient of rows that count differently. */
const withRowGradients = (logits: Tensor, labels: Tensor): Tensor =>
  graph.softmaxCrossEntropyGradient(graph.sum(logits, [-1]), logits, labels);

export const operationCases: { readonly [Name in OpName]: OperationRow } = {
  input: { gradient: 'flows', cases: [one('itself', normal([13, 7]), (x) => x)] },
  constant: {
    gradient: 'none',
    cases: [
      { name: 'a number', inputs: {}, build: () => graph.scalar(0.1) },
      {
        name: 'float32[2, 3]',
        inputs: {},
        build: () => graph.constant(Float32Array.of(1, -2, 3.5, -0, 1e-30, 7), 'float32', [2, 3]),
      },
      {
        name: 'int64[3]',
        inputs: {},
        build: () => graph.constant(BigInt64Array.of(-1n, 2n, 2n ** 40n), 'int64', [3]),
      },
      { name: 'int8[2]', inputs: {}, build: () => graph.constant(Int8Array.of(-128, 127), 'int8', [2]) },
      { name: 'int32[]', inputs: {}, build: () => graph.constant(Int32Array.of(-7), 'int32', []) },
    ],
  },

  add: { gradient: 'flows', cases: binaryCases(graph.add, normal) },
  subtract: { gradient: 'flows', cases: binaryCases(graph.subtract, normal) },
  multiply: { gradient: 'flows', cases: binaryCases(graph.multiply, normal) },
  divide: { gradient: 'flows', cases: binaryCases(graph.divide, normal, positive) },
  negate: { gradient: 'flows', cases: unaryCases(graph.negate, normal) },
  exp: { gradient: 'flows', cases: unaryCases(graph.exp, normal) },
  sqrt: { gradient: 'flows', cases: unaryCases(graph.sqrt, positive) },
  erf: { gradient: 'flows', cases: unaryCases(graph.erf, normal) },
  tanh: { gradient: 'flows', cases: unaryCases(graph.tanh, normal) },
  relu: {
    gradient: 'flows',
    cases: unaryCases(graph.relu, (shape) => (shape.length < 2 ? positive : nonzero)(shape)),
  },
  gelu: {
    gradient: 'flows',
    cases: [...unaryCases(graph.gelu, normal), one('far from 0', normal([13, 7], 6), graph.gelu)],
  },
  geluDerivative: {
    gradient: 'refused',
    cases: [
      ...unaryCases(graph.geluDerivative, normal),
      one('far from 0', normal([13, 7], 6), graph.geluDerivative),
    ],
  },
  equal: {
    gradient: 'none',
    cases: [
      ...binaryCases(graph.equal, (shape) => ({ ...integers(shape, 0, 3), dtype: 'float32' })),
      ...binaryCases(graph.equal, (shape) => integers(shape, 0, 3)),
    ],
  },
  greater: { gradient: 'none', cases: binaryCases(graph.greater, normal) },
  cast: {
    gradient: 'none',
    cases: [
      one('float32 to int32, towards 0', normal([13, 7], 10), (x) => graph.cast(x, 'int32')),
      one('float32 to int64', normal(['B', 'S'], 10), (x) => graph.cast(x, 'int64')),
      one('float32 to bool', { ...integers([13, 7], -1, 2), dtype: 'float32' }, (x) => graph.cast(x, 'bool')),
      one('bool to float32', integers([13, 7], 0, 2, 'bool'), (x) => graph.cast(x, 'float32')),
      one('int32 to float32', integers(['B', 'S'], -9, 9), (x) => graph.cast(x, 'float32')),
      one('int64 to int32', integers([13, 7], -9, 9, 'int64'), (x) => graph.cast(x, 'int32')),
      one('uint8 to float32', integers([13, 7], 0, 256, 'uint8'), (x) => graph.cast(x, 'float32')),
      one('int8 to float32', integers([13, 7], -128, 128, 'int8'), (x) => graph.cast(x, 'float32')),
    ],
  },

  matmul: { gradient: 'flows', cases: matmulCases() },
  linear: { gradient: 'flows', cases: linearCases() },
  linearInputGradient: {
    gradient: 'flows',
    cases: (
      [
        [13, 37],
        ['B', 'S', 37],
      ] satisfies Shape[]
    ).map((shape) => ({
      name: `g [${shape.join(', ')}]`,
      inputs: { g: normal(shape), weight: normal([37, 32]) },
      build: ({ g, weight }: Record<string, Tensor>) => graph.linearInputGradient(g!, weight!),
    })),
  },
  linearWeightGradient: {
    gradient: 'flows',
    cases: ([[13], ['B', 'S']] satisfies Shape[]).map((rows) => ({
      name: `rows [${rows.join(', ')}]`,
      inputs: { g: normal([...rows, 37]), x: normal([...rows, 32]) },
      build: ({ g, x }: Record<string, Tensor>) => graph.linearWeightGradient(g!, x!),
    })),
  },

  reshape: {
    gradient: 'flows',
    cases: [
      reshapeCase([13, 7, 32], [13, 224]),
      reshapeCase([12], [3, 1, 4]),
      reshapeCase([1, 1], []),
      reshapeCase(['B', 'S', 32], ['B', 'S', 4, 8]),
      reshapeCase(['B', 'S', 32], ['B*S', 32]),
      reshapeCase(['B', 'S', 32], [32, 'B', 'S']),
      reshapeCase(['B', 'S', 32], ['32*B*S']),
      reshapeCase(['B', 'S'], ['S', 'B']),
      reshapeCase(['B', 'S'], ['B', 1, 1, 'S']),
      reshapeCase([6, 'B'], [2, '3*B']),
      one('and back', normal(['B', 'S', 32]), (x) =>
        graph.reshape(graph.multiply(graph.reshape(x, ['B*S', 32]), 2), ['B', 'S', 32]),
      ),
    ],
  },
  transpose: {
    gradient: 'flows',
    cases: [
      one('[7, 5]', normal([7, 5]), (x) => graph.transpose(x, [1, 0])),
      one('a cycle of three axes', normal([13, 7, 5]), (x) => graph.transpose(x, [2, 0, 1])),
      one('the other cycle', normal(['B', 'S', 5]), (x) => graph.transpose(x, [1, 2, 0])),
      one('the two in the middle', normal(['B', 'S', 4, 8]), (x) => graph.transpose(x, [0, 2, 1, 3])),
      one('split and merged heads', normal(['B', 'S', 32]), (x) =>
        graph.mergeHeads(graph.multiply(graph.splitHeads(x, 4), 2)),
      ),
    ],
  },
  broadcastTo: {
    gradient: 'flows',
    cases: [
      one('a number', normal([]), (x) => graph.broadcastTo(x, [13, 7])),
      one('[7] to [13, 7]', normal([7]), (x) => graph.broadcastTo(x, [13, 7])),
      one('[13, 1] to [5, 13, 7]', normal([13, 1]), (x) => graph.broadcastTo(x, [5, 13, 7])),
      one('[B, 1, S] to [B, S, S]', normal(['B', 1, 'S']), (x) => graph.broadcastTo(x, ['B', 'S', 'S'])),
    ],
  },
  slice: {
    gradient: 'flows',
    cases: [
      one('the first of [13, 7, 32]', normal([13, 7, 32]), (x) => graph.slice(x, 1, 0, 1)),
      one('the middle', normal([13, 7]), (x) => graph.slice(x, 0, 2, 11)),
      one('the end, by a negative axis', normal([13, 7]), (x) => graph.slice(x, -1, 5, 7)),
      one('a symbolic axis', normal(['B', 'S', 32]), (x) => graph.slice(x, 1, 1, 3)),
      {
        name: 'up to a symbolic end',
        inputs: { table: normal([16, 32]), other: normal(['B', 'S', 32]) },
        build: ({ table, other }) => graph.add(graph.slice(table!, 0, 0, 'S'), other!),
      },
    ],
  },
  pad: {
    gradient: 'flows',
    cases: [
      one('before and after', normal([13, 7]), (x) => graph.pad(x, 1, 2, [13, 12])),
      one('nothing', normal([13, 7]), (x) => graph.pad(x, 0, 0, [13, 7])),
      one('up to a symbolic size', normal(['B', 2, 'S']), (x) => graph.pad(x, 1, 3, ['B', 'S', 'S'])),
      one('beside symbolic axes', normal(['B', 'S', 3]), (x) => graph.pad(x, -1, 1, ['B', 'S', 6])),
    ],
  },

  sum: {
    gradient: 'flows',
    cases: [
      one('all', normal([13, 7]), (x) => graph.sum(x)),
      one('one axis', normal([13, 7, 32]), (x) => graph.sum(x, [1])),
      one('one axis, kept', normal([13, 7, 32]), (x) => graph.sum(x, [1], true)),
      one('two axes, one negative', normal(['B', 'S', 32]), (x) => graph.sum(x, [-1, 0])),
      one('two axes, kept', normal(['B', 'S', 32]), (x) => graph.sum(x, [0, 2], true)),
      one('the mean', normal(['B', 'S', 32]), (x) => graph.mean(x, [-1])),
      one('the mean over two axes, kept', normal(['B', 7, 32]), (x) => graph.mean(x, [1, 2], true)),
    ],
  },
  softmax: {
    gradient: 'flows',
    cases: [
      one('[13, 7]', normal([13, 7], 3), graph.softmax),
      one('[B, 4, S, S]', normal(['B', 4, 'S', 'S'], 3), graph.softmax),
      one('[99]', normal([99], 3), graph.softmax),
    ],
  },
  logSoftmax: {
    gradient: 'flows',
    cases: [
      one('[13, 99]', normal([13, 99], 3), graph.logSoftmax),
      one('[B, S]', normal(['B', 'S'], 3), graph.logSoftmax),
      one('[99]', normal([99], 3), graph.logSoftmax),
    ],
  },
  softmaxCrossEntropy: {
    gradient: 'flows',
    cases: [
      labelledCase([13, 99], integers([13], 0, 99), graph.softmaxCrossEntropy),
      labelledCase(['B', 7], integers(['B'], 0, 7, 'int64'), graph.softmaxCrossEntropy),
      labelledCase(['B', 2], integers(['B'], 0, 2), (logits, labels) =>
        // Far from each other, where a probability by itself would vanish.
        graph.softmaxCrossEntropy(graph.multiply(logits, 60), labels),
      ),
    ],
  },
  softmaxCrossEntropyGradient: {
    gradient: 'refused',
    cases: [
      labelledCase([13, 99], integers([13], 0, 99), withRowGradients),
      labelledCase(['B', 7], integers(['B'], 0, 7, 'int64'), withRowGradients),
    ],
  },
  argMax: {
    gradient: 'none',
    cases: [
      one('[13, 99]', normal([13, 99]), graph.argMax),
      one('[B, S, 7]', normal(['B', 'S', 7]), graph.argMax),
      one('[99]', normal([99]), graph.argMax),
      one('the first of equals', normal([13, 99]), (x) => graph.argMax(graph.greater(x, 0))),
    ],
  },
  layerNorm: {
    gradient: 'flows',
    cases: (
      [
        [13, 32],
        [13, 7, 32],
        ['B', 'S', 32],
      ] satisfies Shape[]
    ).map((shape) => ({
      name: `[${shape.join(', ')}] with its mean and inverse deviation`,
      inputs: { x: normal(shape, 2), weight: normal([32]), bias: normal([32]) },
      build: ({ x, weight, bias }) => graph.layerNorm(x!, weight!, bias!, 1e-3).node.outputs,
    })),
  },

  gather: {
    gradient: 'flows',
    cases: [
      gatherCase([99, 32], integers([13, 7], 0, 99)),
      gatherCase([99, 32], integers([13], 0, 99, 'int64')),
      gatherCase([3, 5], integers(['B', 'S'], 0, 3)),
      gatherCase([3, 5], integers([], 0, 3)),
      {
        name: 'rows of a table with as many as a letter says',
        inputs: { states: normal(['B', 'S', 32]), places: integers(['R'], 0, 13 * 7) },
        build: ({ states, places }) => graph.gather(graph.reshape(states!, ['B*S', 32]), places!),
      },
    ],
  },
  scatterAdd: {
    gradient: 'flows',
    cases: [
      scatterCase([13, 7, 32], integers([13, 7], 0, 99), 99),
      scatterCase(['B', 'S', 32], integers(['B', 'S'], 0, 3, 'int64'), 3),
      scatterCase(['B', 5], integers(['B'], 0, 50), 50),
    ],
  },
  oneHot: {
    gradient: 'none',
    cases: [
      oneHotCase(integers([13], -1, 9), 7),
      oneHotCase(integers(['B', 'S'], -3, 12, 'int64'), 9),
      {
        name: 'as deep as a letter says',
        inputs: { logits: normal(['B', 'S']), ids: integers(['B'], -1, 9) },
        build: ({ logits, ids }) => graph.multiply(logits!, graph.oneHot(ids!, 'S')),
      },
    ],
  },
  dropout: {
    gradient: 'flows',
    cases: [0.1, 0.5, 0].map((rate) => ({
      name: `rate ${rate}`,
      inputs: { x: normal(['B', 'S', 32]), mask: integers(['B', 'S', 32], 0, 2, 'uint8') },
      build: ({ x, mask }) => graph.dropout(x!, mask!, rate),
    })),
  },
  softmaxDropout: {
    gradient: 'flows',
    cases: [0.1, 0.5, 0].map((rate) => ({
      name: `rate ${rate}, with the softmax`,
      inputs: { x: normal(['B', 'S', 32]), mask: integers(['B', 'S', 32], 0, 2, 'uint8') },
      build: ({ x, mask }) => graph.softmaxDropout(x!, mask!, rate).node.outputs,
    })),
  },
  after: {
    gradient: 'flows',
    cases: [
      {
        name: 'another shape',
        inputs: { x: normal(['B', 'S', 7]), other: integers(['B', 5], 0, 2) },
        build: ({ x, other }) => graph.after(x!, other!),
      },
      {
        name: 'a scalar of another type',
        inputs: { x: normal([3]), other: integers([], 0, 2) },
        build: ({ x, other }) => graph.after(x!, other!),
      },
    ],
  },
  attention: {
    gradient: 'flows',
    cases: [
      attentionCase([13, 7, 32], 4, false),
      attentionCase([13, 7, 32], 4, true),
      attentionCase(['B', 'S', 32], 2, true),
      attentionCase(['B', 'S', 32], 2, false),
      attentionCase(['B', 'S', 6], 1, true),
    ],
  },
};

export const operationNames = Object.keys(operationCases) as OpName[];

/** A case with its graph built and its inputs drawn. */
export interface PreparedCase {
  /** The graph inputs, by name. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly results: readonly Tensor[];
  readonly feeds: Readonly<Record<string, DenseArray>>;
}

/** Builds the graph of a case and draws its inputs: the same for the same case, seed and names. */
export function prepare({ name, inputs: specs, build }: OperationCase, seed = 1): PreparedCase {
  const entries = Object.entries(specs);
  const inputs = Object.fromEntries(
    entries.map(([key, { dtype, shape }]) => [key, graph.input(key, dtype, shape)]),
  );
  const feeds = Object.fromEntries(
    entries.map(([key, spec]) => [key, drawInput(spec, new Random(seed, `${name}/${key}`))]),
  );
  const built = build(inputs);
  return { inputs, results: built instanceof graph.Tensor ? [built] : built, feeds };
}

function drawInput({ shape, draw }: InputSpec, random: Random): DenseArray {
  const sizes = shape.map((dim) => graph.evaluateDim(dim, LETTERS));
  return { shape: sizes, data: Float64Array.from(draw(random, sizes)) };
}

/** Standard normal numbers, rounded to float32. */
export function drawNormal(shape: Shape, seed: number): DenseArray {
  return drawInput(normal(shape), new Random(seed, 'normal'));
}
