/**
 * Would the gradient check notice? Each rule is made wrong, first by one per cent and then in the ways that rules are
 * wrong in practice, and the check has to fail.
 */
import { describe, expect, it } from 'vitest';
import {
  gradientRules,
  type DifferentiatedNode,
  type GradientRule,
} from '../../src/autodiff/gradient-rules.ts';
import * as graph from '../../src/graph/index.ts';
import type { OpName, Tensor } from '../../src/graph/index.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { operationCases, operationNames, prepare, type OperationCase } from '../reference/operation-cases.ts';
import { gradientErrors, withGradientRule } from './gradient-check.ts';

/** The largest error that the check finds while one rule is replaced. */
async function errorWith(name: OpName, mutant: GradientRule, operationCase: OperationCase): Promise<number> {
  const errors = await withGradientRule(name, mutant, () => gradientErrors(operationCase, evaluate));
  return Math.max(...errors.map(({ error }) => error));
}

/** A hundredfold of what `gradient-rules.test.ts` allows. */
const NOTICED = 2e-5;

/** The rules as they are, for mutants to start from. */
const originals = { ...gradientRules };

/** The rule, its gradient for one input scaled. */
function scaled(name: OpName, index: number, factor: number): GradientRule {
  const original = originals[name] as GradientRule;
  return (node, g) =>
    original(node, g).map((part, i) =>
      part === undefined || i !== index ? part : graph.multiply(part, factor),
    );
}

describe('a gradient that is one per cent too large', () => {
  const names = operationNames.filter(
    (name) => name !== 'input' && operationCases[name].gradient === 'flows',
  );
  it.each(names)('is noticed in %s, for each input and in every case', async (name) => {
    for (const operationCase of operationCases[name].cases) {
      const { results } = prepare(operationCase);
      const node = graph.nodesOf(results).find(({ op }) => op === name)!;
      for (const [index, { dtype }] of node.inputs.entries()) {
        if (dtype !== 'float32') continue;
        const error = await errorWith(name, scaled(name, index, 1.01), operationCase);
        expect(error, `${operationCase.name}, input ${index}`).toBeGreaterThan(NOTICED);
      }
    }
  });
});

const square = (shape: readonly number[]): OperationCase['inputs'][string] => ({
  dtype: 'float32',
  shape,
  draw: (random, sizes) =>
    Array.from({ length: sizes.reduce((a, b) => a * b, 1) }, () => random.nextNormal()),
});

/** Sizes under which a swapped axis still gives a graph of the right shapes. */
const squares = (
  build: (a: Tensor, b: Tensor) => Tensor,
  shape: readonly number[] = [5, 5],
): OperationCase => ({
  name: 'squares',
  inputs: { a: square(shape), b: square(shape) },
  build: ({ a, b }) => build(a!, b!),
});

const first = (name: OpName): OperationCase => operationCases[name].cases[0]!;
const masked = operationCases.attention.cases.find(({ inputs }) => 'mask' in inputs)!;
const matmulAttributes = (
  node: DifferentiatedNode,
): { transposeA: boolean; transposeB: boolean; scale: number } =>
  node.attributes as DifferentiatedNode<'matmul'>['attributes'];

const MUTANTS: readonly (readonly [string, OpName, GradientRule, OperationCase])[] = [
  [
    'a transposition forgotten in the gradient of the left factor',
    'matmul',
    (node, g) => [
      graph.matmul(g, node.inputs[1]!, matmulAttributes(node)),
      originals.matmul(node as DifferentiatedNode<'matmul'>, g)[1],
    ],
    squares((a, b) => graph.matmul(a, b)),
  ],
  [
    'factors swapped in the gradient of the right factor',
    'matmul',
    (node, g) => [
      originals.matmul(node as DifferentiatedNode<'matmul'>, g)[0],
      graph.matmul(g, node.inputs[0]!, { transposeA: true }),
    ],
    squares((a, b) => graph.matmul(a, b)),
  ],
  [
    'the scale forgotten',
    'matmul',
    ({ inputs: [a, b] }, g) => [
      graph.matmul(g, b!, { transposeB: true }),
      graph.matmul(a!, g, { transposeA: true }),
    ],
    squares((a, b) => graph.matmul(a, b, { scale: 0.375 })),
  ],
  [
    'the weight transposed',
    'linear',
    ({ inputs: [x, weight] }, g) => [
      graph.matmul(g, weight!, { transposeB: true }),
      graph.matmul(g, x!, { transposeA: true }),
    ],
    squares((x, weight) => graph.linear(x, weight)),
  ],
  [
    'the gradient of the weight transposed',
    'linear',
    ({ inputs: [x, weight] }, g) => [graph.matmul(g, weight!), graph.matmul(x!, g, { transposeA: true })],
    squares((x, weight) => graph.linear(x, weight)),
  ],
  [
    'the permutation applied again rather than undone',
    'transpose',
    (node, g) => [graph.transpose(g, (node as DifferentiatedNode<'transpose'>).attributes.permutation)],
    squares((a, b) => graph.multiply(graph.transpose(a, [2, 0, 1]), b), [4, 4, 4]),
  ],
  [
    'put back at the wrong place',
    'slice',
    ({ inputs: [x] }, g) => [graph.pad(g, 0, 1, x!.shape)],
    operationCases.slice.cases.find(({ name }) => name === 'the middle')!,
  ],
  ['no mean over the row', 'layerNorm', withoutCentring, first('layerNorm')],
  ['no sum over the row', 'softmax', (node, g) => [graph.multiply(g, node.outputs[0]!)], first('softmax')],
  [
    'the labels forgotten',
    'softmaxCrossEntropy',
    ({ inputs: [logits] }, g) => [graph.multiply(graph.softmax(logits!), graph.reshape(g, [13, 1]))],
    first('softmaxCrossEntropy'),
  ],
  ['no sum over the row', 'logSoftmax', (_, g) => [g], first('logSoftmax')],
  [
    'a sign',
    'divide',
    ({ inputs: [, b], outputs: [y] }, g) => {
      const over = graph.divide(g, b!);
      return [over, graph.multiply(over, y!)];
    },
    first('divide'),
  ],
  [
    'the density left out',
    'gelu',
    ({ inputs: [x] }, g) => {
      const half = graph.multiply(graph.erf(graph.multiply(x!, Math.SQRT1_2)), 0.5);
      return [graph.multiply(g, graph.add(half, 0.5))];
    },
    first('gelu'),
  ],
  [
    'kept numbers not scaled',
    'dropout',
    ({ inputs: [, mask] }, g) => [graph.dropout(g, mask!, 0)],
    first('dropout'),
  ],
  [
    'the padding forgotten',
    'attention',
    (node, g) => {
      const unmasked = graph.attention(node.inputs[0]!, node.inputs[1]!, node.inputs[2]!, undefined, 4);
      return [
        ...originals.attention(unmasked.node as unknown as DifferentiatedNode<'attention'>, g),
        undefined,
      ];
    },
    masked,
  ],
  [
    'query and key confused',
    'attention',
    (node, g) => {
      const [dq, dk, dv] = originals.attention(node as DifferentiatedNode<'attention'>, g);
      return [dk, dq, dv];
    },
    masked,
  ],
];

/** The rule of layer normalisation without its two means. */
function withoutCentring(
  { inputs: [x, weight], outputs: [, average, inverse] }: DifferentiatedNode,
  g: Tensor,
): Tensor[] {
  const normalized = graph.multiply(graph.subtract(x!, average!), inverse!);
  return [graph.multiply(graph.multiply(g, weight!), inverse!), graph.multiply(g, normalized), g];
}

describe('a rule with a typical mistake is noticed', () => {
  it.each(MUTANTS)('%s (%s)', async (_, name, mutant, operationCase) => {
    expect(await errorWith(name, mutant, operationCase)).toBeGreaterThan(0.01);
    expect(await errorWith(name, originals[name] as GradientRule, operationCase)).toBeLessThan(NOTICED / 100);
  });
});
