/** Lowering: names of inputs and results, what is baked in, and models that any ONNX runtime can load. */
import { fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  add,
  gather,
  input,
  linear,
  multiply,
  oneHot,
  pad,
  relu,
  scalar,
  type Tensor,
} from '../../src/graph/index.ts';
import { ModelProtoSchema } from '../../src/onnx/generated/onnx-subset_pb.ts';
import { lower, type Int8Weight, type LowerOptions } from '../../src/onnx/index.ts';
import { BertramError } from '../../src/support/errors.ts';
import { relativeError, runOnEngine } from '../reference/engine-run.ts';
import { evaluate } from '../reference/graph-evaluator.ts';
import { drawNormal } from '../reference/operation-cases.ts';

const vector = (): Tensor => input('x', 'float32', [3]);
const feeds = { x: { shape: [3], data: Float64Array.of(1, -2, 3) } };

const refusal = (outputs: Record<string, Tensor>, options?: LowerOptions): string => {
  try {
    lower(outputs, options);
  } catch (error) {
    expect(error).toBeInstanceOf(BertramError);
    return (error as Error).message.replace(/_\d+/g, '_N').replace(/\(\S*\/(test\/\S+):\d+:\d+\)/, '($1)');
  }
  throw new Error('it was not refused');
};

describe('results', () => {
  it('may be inputs, constants, and one tensor under several names that others still read', async () => {
    const x = vector();
    const doubled = multiply(x, 2);
    const got = await runOnEngine(
      { same: x, again: x, three: scalar(3), first: doubled, second: doubled, sum: add(doubled, 1) },
      feeds,
    );
    expect(Object.fromEntries(Object.entries(got).map(([name, { data }]) => [name, [...data]]))).toEqual({
      same: [1, -2, 3],
      again: [1, -2, 3],
      three: [3],
      first: [2, -4, 6],
      second: [2, -4, 6],
      sum: [3, -3, 7],
    });
  });

  it('may need no input', async () => {
    const { y } = await runOnEngine({ y: add(scalar(3), 2) }, {});
    expect([...y.data]).toEqual([5]);
  });

  it('are named without a copy where that is possible', () => {
    const y = relu(vector());
    const { graph } = fromBinary(ModelProtoSchema, lower({ y, z: add(y, 1) }).bytes);
    expect(graph!.node.map(({ opType, output }) => [opType, ...output])).toEqual([
      ['Relu', 'y'],
      ['Add', 'z'],
    ]);
  });

  it('are not named like inputs', () => {
    const x = vector();
    expect(refusal({ x: relu(x) })).toMatchInlineSnapshot(
      `"lower: expected results not named like inputs, got x as both"`,
    );
    expect(refusal({ x })).toMatchInlineSnapshot(
      `"lower: expected results not named like inputs, got x as both"`,
    );
  });

  it('are not confused with what every object has', () => {
    const own = input('toString', 'float32', [3]);
    expect(lower({ y: relu(own) }).inputs.map(({ name }) => name)).toEqual(['toString']);
  });
});

describe('inputs', () => {
  it('are those that the results depend on, in the order of their making', () => {
    const [a, b] = [input('a', 'float32', ['B', 7]), input('b', 'int32', ['B'])];
    input('unused', 'float32', [3]);
    const model = lower({ y: add(oneHot(b, 7), a) });
    expect(model.inputs).toEqual([
      { name: 'a', dtype: 'float32', shape: ['B', 7] },
      { name: 'b', dtype: 'int32', shape: ['B'] },
    ]);
    expect(model.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['B', 7] }]);
  });

  it('have names of their own', () => {
    expect(refusal({ y: add(vector(), vector()) })).toMatchInlineSnapshot(
      `"lower: expected inputs of distinct names, got two x"`,
    );
  });

  it('carry every letter that the graph uses', () => {
    expect(refusal({ y: oneHot(input('ids', 'int32', ['B']), 'C') })).toMatchInlineSnapshot(
      `"oneHot_N: expected an input of the program with an axis C, got none"`,
    );
    expect(refusal({ y: pad(input('x', 'float32', ['B', 2]), 1, 0, ['B', 'S']) })).toMatchInlineSnapshot(
      `"pad_N: expected an input of the program with an axis S, got none"`,
    );
  });
});

describe('numbers that are baked in', () => {
  const weight = (): Tensor => input('weight', 'float32', [4, 3]);
  const x = (): Tensor => input('x', 'float32', ['B', 3]);

  it('are not fed', async () => {
    const y = linear(x(), weight());
    const values = Float32Array.from({ length: 12 }, (_, i) => i - 5);
    const options = { constants: new Map([['weight', values]]), threads: 1 };
    expect(lower({ y }, options).inputs.map(({ name }) => name)).toEqual(['x']);
    const drawn = drawNormal([13, 3], 1);
    const got = await runOnEngine({ y }, { x: drawn }, options);
    const [expected] = evaluate([y], {
      x: drawn,
      weight: { shape: [4, 3], data: Float64Array.from(values) },
    });
    expect(relativeError(got.y, expected!)).toBeLessThan(1e-6);
  });

  it('belong to an input of their size', () => {
    const y = linear(x(), weight());
    const constants = (name: string, length: number): LowerOptions => ({
      constants: new Map([[name, new Float32Array(length)]]),
    });
    expect(refusal({ y }, constants('wieght', 12))).toMatchInlineSnapshot(
      `"lower: expected one input wieght to bake in, got none"`,
    );
    expect(refusal({ y }, constants('weight', 11))).toMatchInlineSnapshot(
      `"lower: expected weight as float32[4, 3], got 11 numbers"`,
    );
    expect(refusal({ y }, constants('x', 12))).toMatchInlineSnapshot(
      `"lower: expected x as float32[B, 3], got 12 numbers"`,
    );
  });
});

describe('int8 weights', () => {
  /** Seven bits, so that processors that add in 16 bits do not saturate. */
  const quantized = (rows: number, columns: number): Int8Weight => ({
    values: Int8Array.from({ length: rows * columns }, (_, i) => ((i * 37) % 127) - 63),
    scales: Float32Array.from({ length: rows }, (_, i) => 0.01 * (i + 1)),
  });

  /**
   * What dynamic quantisation is: the batch is rounded to 256 steps from min(x, 0) to max(x, 0), and everything after
   * that is exact.
   */
  function quantizedLinear(
    x: Float64Array,
    { values, scales }: Int8Weight,
    bias: Float64Array,
  ): Float64Array {
    const [low, high] = [Math.min(0, ...x), Math.max(0, ...x)];
    const step = Math.fround((high - low) / 255);
    const zero = Math.round(-low / step);
    const rounded = x.map(
      (value) => (Math.min(255, Math.max(0, Math.round(value / step) + zero)) - zero) * step,
    );
    const columns = values.length / scales.length;
    const y = new Float64Array((x.length / columns) * scales.length);
    for (let i = 0; i < x.length / columns; i++) {
      for (let o = 0; o < scales.length; o++) {
        let total = 0;
        for (let k = 0; k < columns; k++) total += rounded[i * columns + k]! * values[o * columns + k]!;
        y[i * scales.length + o] = total * scales[o]! + bias[o]!;
      }
    }
    return y;
  }

  it('multiply as the rounded numbers do, in as many layers as share one', async () => {
    const weight = input('weight', 'float32', [37, 32]);
    const bias = input('bias', 'float32', [37]);
    const int8 = quantized(37, 32);
    const first = linear(input('x', 'float32', ['B', 'S', 32]), weight, bias);
    const second = linear(input('other', 'float32', ['B', 32]), weight);
    const drawn = {
      x: drawNormal([13, 7, 32], 1),
      other: drawNormal([13, 32], 2),
      bias: drawNormal([37], 3),
    };
    const options = { int8Weights: new Map([['weight', int8]]), threads: 1 };
    const got = await runOnEngine({ first, second }, drawn, options);
    const expectedFirst = quantizedLinear(drawn.x.data, int8, drawn.bias.data);
    const expectedSecond = quantizedLinear(drawn.other.data, int8, new Float64Array(37));
    expect(relativeError(got.first, { shape: [13, 7, 37], data: expectedFirst })).toBeLessThan(1e-5);
    expect(relativeError(got.second, { shape: [13, 37], data: expectedSecond })).toBeLessThan(1e-5);
    // And so they are near the product without rounding.
    const plain = {
      ...drawn,
      weight: {
        shape: [37, 32],
        data: Float64Array.from(int8.values, (v, i) => v * int8.scales[Math.floor(i / 32)]!),
      },
    };
    expect(relativeError(got.first, evaluate([first], plain)[0]!)).toBeLessThan(0.02);
    const { graph } = fromBinary(ModelProtoSchema, lower({ first, second }, options).bytes);
    expect(graph!.initializer.filter(({ name }) => name === 'weight/int8')).toHaveLength(1);
  });

  it('are weights of linear layers and nothing else', () => {
    const int8Weights = new Map([['table', quantized(99, 32)]]);
    const table = input('table', 'float32', [99, 32]);
    const embedded = gather(table, input('ids', 'int32', ['B']));
    expect(refusal({ y: linear(embedded, table) }, { int8Weights })).toMatchInlineSnapshot(
      `"lower: expected table, which is int8, only as a weight of linear, got it in gather_N (test/onnx/lower.test.ts)"`,
    );
    const both = { int8Weights, constants: new Map([['table', new Float32Array(99 * 32)]]) };
    expect(refusal({ y: embedded }, both)).toMatchInlineSnapshot(
      `"lower: expected one input table to bake in, got it both as numbers and in int8"`,
    );
    const short = new Map([['table', { ...quantized(99, 32), scales: new Float32Array(32) }]]);
    expect(refusal({ y: embedded }, { int8Weights: short })).toMatchInlineSnapshot(
      `"lower: expected table as float32[99, 32], got 3168 numbers and 32 scales"`,
    );
  });
});
