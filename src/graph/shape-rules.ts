/**
 * The shape rule of each operation: from the types of the inputs to those of the outputs. A rule throws what was
 * expected; `Node` adds what came, and where.
 */
import { BertramError } from '../support/errors.ts';
import type { ConstantData, OpAttributes, OpName } from './ops.ts';
import { broadcast, normalizeAxis, product, sameShape, type Dim, type DType, type Shape } from './shape.ts';

export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

export type ShapeRule<Name extends OpName> = (
  inputs: readonly ValueType[],
  attributes: OpAttributes[Name],
) => readonly ValueType[];

const ARRAY_CLASSES: Readonly<Record<DType, abstract new (...values: never[]) => ConstantData>> = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

function expect(condition: boolean, expectation: string): asserts condition {
  if (!condition) throw new BertramError('bad-graph', expectation);
}

function expectFloat32(...inputs: readonly (ValueType | undefined)[]): void {
  expect(
    inputs.every((input) => input === undefined || input.dtype === 'float32'),
    'expected float32',
  );
}

function arity(inputs: readonly ValueType[], count: number): void {
  expect(inputs.length === count, `expected ${count} inputs`);
}

/** A rule for ops that keep their input's shape, in float32. */
function unary(inputs: readonly ValueType[]): readonly ValueType[] {
  arity(inputs, 1);
  const [x] = inputs as [ValueType];
  expectFloat32(x);
  return [{ dtype: x.dtype, shape: x.shape }];
}

function binary(inputs: readonly ValueType[], dtype?: DType): readonly ValueType[] {
  arity(inputs, 2);
  const [a, b] = inputs as [ValueType, ValueType];
  expect(a.dtype === b.dtype, 'expected inputs of one data type');
  const shape = broadcast(a.shape, b.shape);
  expect(shape !== undefined, 'expected shapes that broadcast');
  return [{ dtype: dtype ?? a.dtype, shape }];
}

/** A rule for ops over the last axis. */
function alongRows(inputs: readonly ValueType[]): readonly ValueType[] {
  expect(inputs[0]?.shape.length !== 0, 'expected rank 1 or more');
  return unary(inputs);
}

function expectLabelledRows(logits: ValueType, labels: ValueType): void {
  expectFloat32(logits);
  expect(logits.shape.length === 2, 'expected logits of rank 2');
  expect(isIds(labels), 'expected integer labels');
  expect(sameShape(labels.shape, logits.shape.slice(0, 1)), 'expected one label for each row of logits');
}

const arithmetic = (inputs: readonly ValueType[]): readonly ValueType[] => binary(inputs);
const comparison = (inputs: readonly ValueType[]): readonly ValueType[] => binary(inputs, 'float32');

function axisOf({ shape: { length: rank } }: ValueType, axis: number): number {
  const place = normalizeAxis(axis, rank);
  expect(
    Number.isInteger(place) && place >= 0 && place < rank,
    `expected an axis from -${rank} to ${rank - 1}, not ${axis}`,
  );
  return place;
}

/** x and the mask of its dropout. */
function dropped(inputs: readonly ValueType[], rate: number): ValueType {
  arity(inputs, 2);
  const [x, mask] = inputs as [ValueType, ValueType];
  expectFloat32(x);
  expect(mask.dtype === 'uint8' && sameShape(x.shape, mask.shape), "expected a uint8 mask of x's shape");
  expect(rate >= 0 && rate < 1, `expected a rate from 0 to below 1 (not ${rate})`);
  return { dtype: x.dtype, shape: x.shape };
}

function last(shape: Shape, expectation: string): Dim {
  const dim = shape.at(-1);
  expect(dim !== undefined, expectation);
  return dim;
}

function isIds(type: ValueType): boolean {
  return type.dtype === 'int32' || type.dtype === 'int64';
}

export const shapeRules: { readonly [Name in OpName]: ShapeRule<Name> } = {
  input: (inputs, { dtype, shape }) => [{ dtype, shape }],
  constant: (inputs, { data, dtype, shape }) => {
    expect(
      data instanceof ARRAY_CLASSES[dtype],
      `expected numbers of ${dtype}, got ${data.constructor.name}`,
    );
    expect(
      product(shape) === data.length,
      `expected ${String(product(shape))} numbers for [${shape.join(', ')}], got ${data.length}`,
    );
    return [{ dtype, shape }];
  },

  add: arithmetic,
  subtract: arithmetic,
  multiply: arithmetic,
  divide: arithmetic,
  negate: unary,
  exp: unary,
  sqrt: unary,
  erf: unary,
  tanh: unary,
  relu: unary,
  gelu: unary,
  geluDerivative: unary,
  equal: comparison,
  greater: comparison,
  cast: (inputs, { dtype }) => {
    arity(inputs, 1);
    return [{ dtype, shape: inputs[0]!.shape }];
  },

  matmul: (inputs, { transposeA, transposeB }) => {
    arity(inputs, 2);
    const [a, b] = inputs as [ValueType, ValueType];
    expect(a.shape.length >= 2 && b.shape.length >= 2, 'expected inputs of rank 2 or more');
    expectFloat32(a, b);
    const [aRows, aColumns] = transposeA
      ? [a.shape.at(-1)!, a.shape.at(-2)!]
      : [a.shape.at(-2)!, a.shape.at(-1)!];
    const [bRows, bColumns] = transposeB
      ? [b.shape.at(-1)!, b.shape.at(-2)!]
      : [b.shape.at(-2)!, b.shape.at(-1)!];
    expect(aColumns === bRows, 'expected inner axes that agree');
    const leading = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
    expect(leading !== undefined, 'expected leading axes that broadcast');
    return [{ dtype: 'float32', shape: [...leading, aRows, bColumns] }];
  },
  linear: (inputs) => {
    expect(inputs.length === 2 || inputs.length === 3, 'expected x, weight and perhaps bias');
    const [x, weight, bias] = inputs as [ValueType, ValueType, ValueType | undefined];
    expectFloat32(x, weight, bias);
    expect(weight.shape.length === 2, 'expected a weight of rank 2');
    expect(x.shape.length >= 2, 'expected x of rank 2 or more');
    expect(x.shape.at(-1) === weight.shape[1], "expected x's last axis to be weight's");
    expect(
      bias === undefined || sameShape(bias.shape, [weight.shape[0]!]),
      "expected a bias of weight's first axis",
    );
    return [{ dtype: 'float32', shape: [...x.shape.slice(0, -1), weight.shape[0]!] }];
  },
  linearInputGradient: (inputs) => {
    arity(inputs, 2);
    const [g, weight] = inputs as [ValueType, ValueType];
    expect(g.dtype === 'float32' && weight.dtype === 'float32', 'expected float32');
    expect(weight.shape.length === 2, 'expected a weight of rank 2');
    expect(
      last(g.shape, 'expected g of rank 1 or more') === weight.shape[0],
      "expected g's last axis to be weight's first",
    );
    return [{ dtype: 'float32', shape: [...g.shape.slice(0, -1), weight.shape[1]!] }];
  },
  linearWeightGradient: (inputs) => {
    arity(inputs, 2);
    const [g, x] = inputs as [ValueType, ValueType];
    expectFloat32(g, x);
    expect(g.shape.length >= 2 && x.shape.length >= 2, 'expected inputs of rank 2 or more');
    expect(sameShape(g.shape.slice(0, -1), x.shape.slice(0, -1)), 'expected leading axes that are the same');
    return [{ dtype: 'float32', shape: [g.shape.at(-1)!, x.shape.at(-1)!] }];
  },

  reshape: (inputs, { shape }) => {
    arity(inputs, 1);
    expect(product(inputs[0]!.shape) === product(shape), `expected as many numbers as [${shape.join(', ')}]`);
    return [{ dtype: inputs[0]!.dtype, shape }];
  },
  transpose: (inputs, { permutation }) => {
    arity(inputs, 1);
    const [x] = inputs as [ValueType];
    const axes = [...permutation].sort((a, b) => a - b);
    expect(
      axes.length === x.shape.length && axes.every((axis, i) => axis === i),
      `expected rank ${permutation.length} and each axis once in [${permutation.join(', ')}]`,
    );
    return [{ dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis]!) }];
  },
  broadcastTo: (inputs, { shape }) => {
    arity(inputs, 1);
    const result = broadcast(inputs[0]!.shape, shape);
    expect(
      result !== undefined && sameShape(result, shape),
      `expected a shape that broadcasts to [${shape.join(', ')}]`,
    );
    return [{ dtype: inputs[0]!.dtype, shape }];
  },
  slice: (inputs, { axis, start, end }) => {
    arity(inputs, 1);
    const [x] = inputs as [ValueType];
    const place = axisOf(x, axis);
    const size = x.shape[place]!;
    const length = typeof end === 'number' ? end - start : end;
    expect(
      Number.isInteger(start) &&
        start >= 0 &&
        (typeof end === 'number' ? end > start && (typeof size === 'string' || end <= size) : start === 0),
      `expected ${start} to ${end} inside axis ${axis}`,
    );
    return [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === place ? length : dim)) }];
  },
  pad: (inputs, { axis, before, shape }) => {
    arity(inputs, 1);
    const [x] = inputs as [ValueType];
    const place = axisOf(x, axis);
    expect(
      shape.length === x.shape.length && x.shape.every((dim, i) => i === place || dim === shape[i]),
      `expected [${shape.join(', ')}] in all axes but ${axis}`,
    );
    const [size, total] = [x.shape[place]!, shape[place]!];
    expect(
      Number.isInteger(before) &&
        before >= 0 &&
        (typeof size === 'string' || typeof total === 'string' || before + size <= total),
      `expected room for axis ${axis} from ${before} in [${shape.join(', ')}]`,
    );
    return [{ dtype: x.dtype, shape }];
  },

  sum: (inputs, { axes, keepDims }) => {
    arity(inputs, 1);
    const [x] = inputs as [ValueType];
    const places = new Set(axes.map((axis) => axisOf(x, axis)));
    expect(places.size === axes.length, `expected each axis once in [${axes.join(', ')}]`);
    const shape = keepDims
      ? x.shape.map((dim, i) => (places.has(i) ? 1 : dim))
      : x.shape.filter((_, i) => !places.has(i));
    return [{ dtype: x.dtype, shape }];
  },
  softmax: alongRows,
  logSoftmax: alongRows,
  softmaxCrossEntropy: (inputs) => {
    arity(inputs, 2);
    const [logits, labels] = inputs as [ValueType, ValueType];
    expectLabelledRows(logits, labels);
    return [{ dtype: 'float32', shape: labels.shape }];
  },
  softmaxCrossEntropyGradient: (inputs) => {
    arity(inputs, 3);
    const [g, logits, labels] = inputs as [ValueType, ValueType, ValueType];
    expectLabelledRows(logits, labels);
    expectFloat32(g);
    expect(sameShape(g.shape, labels.shape), 'expected one g for each label');
    return [{ dtype: 'float32', shape: logits.shape }];
  },
  argMax: (inputs) => {
    const [{ shape }] = alongRows(inputs) as [ValueType];
    return [{ dtype: 'int64', shape: shape.slice(0, -1) }];
  },
  layerNorm: (inputs) => {
    arity(inputs, 3);
    const [x, weight, bias] = inputs as [ValueType, ValueType, ValueType];
    expectFloat32(x, weight, bias);
    const size = last(x.shape, 'expected x of rank 1 or more');
    expect(sameShape(weight.shape, [size]), "expected a weight of x's last axis");
    expect(sameShape(bias.shape, [size]), "expected a bias of x's last axis");
    const statistics: ValueType = { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] };
    return [{ dtype: 'float32', shape: x.shape }, statistics, statistics];
  },

  gather: (inputs) => {
    arity(inputs, 2);
    const [table, ids] = inputs as [ValueType, ValueType];
    expect(table.shape.length === 2, 'expected a table of rank 2');
    expect(isIds(ids), 'expected integer ids');
    return [{ dtype: table.dtype, shape: [...ids.shape, table.shape[1]!] }];
  },
  scatterAdd: (inputs, { rows }) => {
    arity(inputs, 2);
    const [updates, ids] = inputs as [ValueType, ValueType];
    expect(isIds(ids), 'expected integer ids');
    expect(sameShape(updates.shape.slice(0, -1), ids.shape), 'expected one row of updates for each id');
    return [
      { dtype: updates.dtype, shape: [rows, last(updates.shape, 'expected updates of rank 1 or more')] },
    ];
  },
  oneHot: (inputs, { depth }) => {
    arity(inputs, 1);
    expect(isIds(inputs[0]!), 'expected integer ids');
    return [{ dtype: 'float32', shape: [...inputs[0]!.shape, depth] }];
  },
  dropout: (inputs, { rate }) => [dropped(inputs, rate)],
  softmaxDropout: (inputs, { rate }) => {
    const type = dropped(inputs, rate);
    last(type.shape, 'expected x of rank 1 or more');
    return [type, type];
  },
  after: (inputs) => {
    arity(inputs, 2);
    return [inputs[0]!];
  },
  attention: (inputs, { heads }) => {
    expect(inputs.length === 3 || inputs.length === 4, 'expected query, key, value and perhaps mask');
    const [query, key, value, mask] = inputs as [ValueType, ValueType, ValueType, ValueType | undefined];
    expectFloat32(query, key, value);
    expect(query.shape.length === 3, 'expected query [B, S, H]');
    expect(
      sameShape(query.shape, key.shape) && sameShape(key.shape, value.shape),
      'expected query, key and value alike',
    );
    const hidden = query.shape[2]!;
    expect(
      typeof hidden === 'number' && Number.isInteger(heads) && heads > 0 && hidden % heads === 0,
      `expected H to be a multiple of ${heads} heads`,
    );
    expect(
      mask === undefined || (mask.dtype === 'int32' && sameShape(mask.shape, query.shape.slice(0, 2))),
      'expected a mask int32[B, S]',
    );
    return [{ dtype: 'float32', shape: query.shape }];
  },
};
