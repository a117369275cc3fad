/** Gradients that compute results of the forward pass again: the same numbers, and nothing kept that was not to be. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import {
  add,
  exp,
  input,
  layerNorm,
  linear,
  multiply,
  nodesOf,
  scoped,
  sum,
  tanh,
  type Node,
  type Tensor,
} from '../../src/graph/index.ts';
import { zeros, type DenseArray } from '../reference/dense-array.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { runOnEngine } from '../reference/engine-run.ts';

const [rows, columns, layers] = [5, 7, 3];

/** Three layers of two products each, with a residual sum and a normalisation. */
function model(): { loss: Tensor; weights: Tensor[]; forward: ReadonlySet<Node> } {
  const weight = input('weight', 'float32', [columns, columns]);
  const scale = input('scale', 'float32', [columns]);
  let x: Tensor = input('x', 'float32', ['N', columns]);
  for (let i = 0; i < layers; i++) {
    const before = x;
    x = scoped(`layer.${i}`, () => {
      const inner = multiply(tanh(linear(before, weight)), exp(multiply(before, 0.1)));
      return layerNorm(add(linear(inner, weight), before), scale, scale, 1e-5);
    });
  }
  const loss = sum(multiply(x, x));
  return { loss, weights: [weight, scale], forward: new Set(nodesOf([loss])) };
}

function feeds(): Record<string, DenseArray> {
  let state = 1;
  const fill = (shape: number[]): DenseArray => {
    const array = zeros(shape);
    array.data.forEach((_, i) => {
      state = (state * 16807) % 2147483647;
      array.data[i] = state / 2147483647 - 0.5;
    });
    return array;
  };
  return { x: fill([rows, columns]), weight: fill([columns, columns]), scale: fill([columns]) };
}

const inLayers = ({ scope }: Node): boolean => scope.startsWith('layer.');
const isElementwise = ({ op }: Node): boolean => op !== 'linear' && op !== 'add';

describe.each([
  ['all of the layers', inLayers],
  ['all but products and sums', isElementwise],
  ['everything', () => true],
])('the gradient that computes %s again', (_, recompute) => {
  it('is the same', () => {
    const { loss, weights } = model();
    const kept = evaluate(gradient(loss, weights), feeds());
    const again = evaluate(gradient(loss, weights, { recompute }), feeds());
    again.forEach(({ data }, i) => expect([...data]).toEqual([...kept[i]!.data]));
  });

  it('is the same to the last bit on the engine', async () => {
    const { loss, weights } = model();
    const run = (tensors: Tensor[]) =>
      runOnEngine(Object.fromEntries(tensors.map((tensor, i) => [`g${i}`, tensor])), feeds());
    expect(await run(gradient(loss, weights, { recompute }))).toEqual(await run(gradient(loss, weights)));
  });

  it('reads of the forward pass what is kept, and nothing else', () => {
    const { loss, weights, forward } = model();
    const backward = nodesOf(gradient(loss, weights, { recompute })).filter((node) => !forward.has(node));
    const read = backward.flatMap(({ inputs }) => inputs.map(({ node }) => node));
    const wrong = read.filter((node) => forward.has(node) && node.inputs.length > 0 && recompute(node));
    expect(wrong.map(({ label }) => label)).toEqual([]);
    expect(backward.some(({ scope }) => scope.endsWith('.again'))).toBe(true);
  });

  it('computes nothing again before a gradient asks for it', () => {
    const { loss, weights, forward } = model();
    const backward = nodesOf(gradient(loss, weights, { recompute })).filter((node) => !forward.has(node));
    const waiting = new Set<Node>();
    for (const node of backward) {
      if (node.op === 'after' || node.inputs.some((tensor) => waiting.has(tensor.node))) waiting.add(node);
    }
    const early = backward.filter(
      (node) => node.scope.endsWith('.again') && node.op !== 'after' && !waiting.has(node),
    );
    expect(early.map(({ label }) => label)).toEqual([]);
  });
});
