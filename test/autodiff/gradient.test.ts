/** The walk of reverse mode: what it adds up, and what it refuses. */
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import {
  add,
  cast,
  constant,
  equal,
  exp,
  gather,
  geluDerivative,
  greater,
  input,
  layerNorm,
  multiply,
  nodesOf,
  oneHot,
  pad,
  scoped,
  sum,
  tanh,
  type Tensor,
} from '../../src/graph/index.ts';
import { zeros, type DenseArray } from '../reference/dense-array.ts';
import { evaluate } from '../reference/graph-evaluator.ts';

const vector = (...values: number[]): DenseArray => ({
  shape: [values.length],
  data: Float64Array.from(values),
});
const x = input('x', 'float32', [3]);
const feeds = { x: vector(0.5, -1, 2) };

function gradientAt(loss: Tensor, wrt: Tensor): number[] {
  const values = evaluate([loss, ...gradient(loss, [wrt])], feeds);
  return [...values[1]!.data];
}

describe('gradient', () => {
  it('leaves a frozen row of a table as it is, however often it is looked up', () => {
    const table = multiply(x, constant(Float32Array.of(1, 1, 1, 1, 1, 1), 'float32', [2, 3]));
    const ids = constant(Int32Array.of(0, 1, 1, 0, 1), 'int32', [5]);
    const weights = constant(Float32Array.of(1, 10, 100, 1000, 10000), 'float32', [5, 1]);
    const loss = (frozenId?: number): Tensor => sum(multiply(gather(table, ids, frozenId), weights));
    expect(gradientAt(loss(), table)).toEqual([1001, 1001, 1001, 10110, 10110, 10110]);
    expect(gradientAt(loss(0), table)).toEqual([0, 0, 0, 10110, 10110, 10110]);
    expect(gradientAt(loss(1), table)).toEqual([1001, 1001, 1001, 0, 0, 0]);
  });

  it('adds up what comes along several ways', () => {
    // d/dx (x³ + x² + x)
    const square = multiply(x, x);
    expect(gradientAt(sum(add(add(multiply(square, x), square), x)), x)).toEqual(
      [0.5, -1, 2].map((v) => 3 * v * v + 2 * v + 1),
    );
  });

  it('adds up an input that one operation takes twice', () => {
    expect(gradientAt(sum(multiply(x, x)), x)).toEqual([1, -2, 4]);
  });

  it('stops at an intermediate tensor that it is asked for, and goes on to what is below', () => {
    const y = exp(x);
    const loss = sum(multiply(y, y));
    expect(gradientAt(loss, y)).toEqual(
      feeds.x.data.length === 3 ? [...feeds.x.data].map((v) => 2 * Math.exp(v)) : [],
    );
    const [first, second] = gradient(loss, [y, x]);
    const [, dy, dx] = evaluate([loss, first!, second!], feeds);
    expect([...dx!.data]).toEqual([...dy!.data].map((g, i) => g * Math.exp(feeds.x.data[i]!)));
  });

  it('is 1 for the loss itself', () => {
    const loss = sum(x);
    expect(gradientAt(loss, loss)).toEqual([1]);
  });

  it('gives the same tensor for one asked for twice', () => {
    const [first, second] = gradient(sum(x), [x, x]);
    expect(first).toBe(second);
  });

  it('keeps away from what leads to none of the tensors asked for', () => {
    // The rule of pad refuses a symbolic size; nothing here needs it.
    const other = pad(input('other', 'float32', ['S']), 0, 0, [3]);
    const [dx] = gradient(sum(multiply(x, tanh(other))), [x]);
    expect(nodesOf([dx!]).filter((node) => node.op === 'pad' || node.op === 'slice')).toHaveLength(1);
  });

  it('stops where values are compared, rounded or counted: there the derivative is zero or none', () => {
    const loss = sum(multiply(x, greater(x, 0)));
    expect(gradientAt(loss, x)).toEqual([1, 0, 1]);
  });

  it('passes on no gradient through integers, but all of it around them', () => {
    const rounded = cast(cast(x, 'int32'), 'float32');
    expect(gradientAt(sum(multiply(x, rounded)), x)).toEqual([0, -1, 2]);
  });

  it('leaves out the row of a table that is frozen, and no other', () => {
    const table = input('table', 'float32', [3, 2]);
    const given = {
      table: { shape: [3, 2], data: Float64Array.of(1, 2, 3, 4, 5, 6) },
      ids: { shape: [2, 2], data: Float64Array.of(0, 1, 1, 2) },
    };
    for (const dtype of ['int32', 'int64'] as const) {
      const ids = input('ids', dtype, ['B', 'S']);
      const rowsOf = (frozenId?: number): number[] => {
        const loss = sum(gather(table, ids, frozenId));
        return [...evaluate([loss, ...gradient(loss, [table])], given)[1]!.data];
      };
      expect(rowsOf()).toEqual([1, 1, 2, 2, 1, 1]);
      expect(rowsOf(0)).toEqual([0, 0, 2, 2, 1, 1]);
      expect(rowsOf(1)).toEqual([1, 1, 0, 0, 1, 1]);
    }
  });

  it('is not confused by zeros', () => {
    const [, dx] = evaluate([sum(x), ...gradient(sum(multiply(x, x)), [x])], { x: zeros([3]) });
    expect([...dx!.data]).toEqual([0, 0, 0]);
  });
});

describe('gradient refuses', () => {
  const message = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      return (error as Error).message.replace(/_\d+/g, '_N');
    }
    throw new Error('it did not throw');
  };

  it('a loss that is no number', () => {
    expect(message(() => gradient(x, [x]))).toMatchInlineSnapshot(
      `"gradient: expected a loss float32[], got float32[3]"`,
    );
    expect(message(() => gradient(constant(Int32Array.of(3), 'int32', []), [x]))).toMatchInlineSnapshot(
      `"gradient: expected a loss float32[], got int32[]"`,
    );
  });

  it('a tensor that the loss does not depend on', () => {
    const other = scoped('pooler', () => input('other', 'float32', ['B', 7]));
    expect(message(() => gradient(sum(x), [other]))).toMatchInlineSnapshot(
      `"gradient: the loss does not depend on input_N in pooler: float32[B, 7]"`,
    );
  });

  it.each([
    ['equal', () => equal(x, 1)],
    ['greater', () => greater(x, 1)],
    ['a cast to integers', () => cast(cast(x, 'int32'), 'float32')],
    ['ids', () => oneHot(cast(x, 'int32'), 4)],
    ['ids of a table', () => gather(constant(new Float32Array(6), 'float32', [3, 2]), cast(x, 'int32'))],
  ])('a tensor that the loss depends on only through %s', (_, build) => {
    expect(message(() => gradient(sum(build()), [x]))).toMatch(
      /^gradient: the loss does not depend on input_N/,
    );
  });

  it('an operation whose derivative nothing needs', () => {
    expect(message(() => gradient(sum(geluDerivative(x)), [x]))).toMatchInlineSnapshot(
      `"gradient: geluDerivative_N cannot be differentiated"`,
    );
    const symbolic = input('s', 'float32', ['S']);
    expect(message(() => gradient(sum(pad(symbolic, 0, 0, [9])), [symbolic]))).toMatchInlineSnapshot(
      `"gradient: pad_N cannot be differentiated"`,
    );
  });

  it('the statistics of a layer normalisation', () => {
    const [, average] = layerNorm(x, x, x, 1e-12).node.outputs;
    expect(message(() => gradient(sum(average!), [x]))).toMatchInlineSnapshot(
      `"gradient: output 1 of layerNorm_N has no derivative"`,
    );
  });
});
