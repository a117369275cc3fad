/**
 * The functions that models are written with: each adds a node to the graph and returns its result.
 */
import { BertramError } from '../support/errors.ts';
import type { ConstantData, OpAttributes, OpName } from './ops.ts';
import { normalizeAxis, sameShape, type Dim, type DType, type Shape } from './shape.ts';
import { Node, type Tensor } from './tensor.ts';

function apply<Name extends OpName>(
  op: Name,
  inputs: readonly Tensor[],
  attributes: OpAttributes[Name],
): Tensor {
  return new Node(op, inputs, attributes).outputs[0]!;
}

/** A value that is fed by name when the program runs. */
export function input(name: string, dtype: DType, shape: Shape): Tensor {
  return apply('input', [], { name, dtype, shape });
}

export function constant(data: ConstantData, dtype: DType, shape: readonly number[]): Tensor {
  return apply('constant', [], { data, dtype, shape });
}

/** A float32 number of shape []. */
export function scalar(value: number): Tensor {
  return constant(Float32Array.of(value), 'float32', []);
}

type Operand = Tensor | number;
const lift = (value: Operand): Tensor => (typeof value === 'number' ? scalar(value) : value);

export const add = (a: Operand, b: Operand): Tensor => apply('add', [lift(a), lift(b)], {});
export const subtract = (a: Operand, b: Operand): Tensor => apply('subtract', [lift(a), lift(b)], {});
export const multiply = (a: Operand, b: Operand): Tensor => apply('multiply', [lift(a), lift(b)], {});
export const divide = (a: Operand, b: Operand): Tensor => apply('divide', [lift(a), lift(b)], {});
export const negate = (x: Tensor): Tensor => apply('negate', [x], {});
export const exp = (x: Tensor): Tensor => apply('exp', [x], {});
export const sqrt = (x: Tensor): Tensor => apply('sqrt', [x], {});
export const erf = (x: Tensor): Tensor => apply('erf', [x], {});
export const tanh = (x: Tensor): Tensor => apply('tanh', [x], {});
export const relu = (x: Tensor): Tensor => apply('relu', [x], {});
/** x Φ(x), with the error function (the form BERT uses). */
export const gelu = (x: Tensor): Tensor => apply('gelu', [x], {});
export const geluDerivative = (x: Tensor): Tensor => apply('geluDerivative', [x], {});
/** 1 where equal, else 0; float32. */
export const equal = (a: Operand, b: Operand): Tensor => apply('equal', [lift(a), lift(b)], {});
/** 1 where a > b, else 0; float32. */
export const greater = (a: Operand, b: Operand): Tensor => apply('greater', [lift(a), lift(b)], {});

export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply('cast', [x], { dtype });
}

/** scale * a' b', the last two axes of a or b transposed where asked; leading axes broadcast. */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { transposeA?: boolean; transposeB?: boolean; scale?: number } = {},
): Tensor {
  const { transposeA = false, transposeB = false, scale = 1 } = options;
  return apply('matmul', [a, b], { transposeA, transposeB, scale });
}

/** x [..., I] weightᵀ + bias, with weight [O, I] and bias [O]: [..., O]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return apply('linear', bias === undefined ? [x, weight] : [x, weight, bias], {});
}

/** g [..., O] weight, with weight [O, I]: the gradient of the x of {@link linear}, [..., I]. */
export function linearInputGradient(g: Tensor, weight: Tensor): Tensor {
  return apply('linearInputGradient', [g, weight], {});
}

/** gᵀ x over all rows of g [..., O] and x [..., I]: the gradient of the weight of {@link linear}, [O, I]. */
export function linearWeightGradient(g: Tensor, x: Tensor): Tensor {
  return apply('linearWeightGradient', [g, x], {});
}

export function reshape(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply('reshape', [x], { shape });
}

export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  return apply('transpose', [x], { permutation });
}

export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply('broadcastTo', [x], { shape });
}

/** Part `start` to `end` (exclusive) of an axis; a symbolic end needs start 0. */
export function slice(x: Tensor, axis: number, start: number, end: Dim): Tensor {
  return apply('slice', [x], { axis: normalizeAxis(axis, x.shape.length), start, end });
}

/** Zeros around x along one axis, so that x begins at `before` in a result of the given shape. */
export function pad(x: Tensor, axis: number, before: number, shape: Shape): Tensor {
  return apply('pad', [x], { axis: normalizeAxis(axis, x.shape.length), before, shape });
}

/** The sum over the axes, or over all of them. */
export function sum(x: Tensor, axes?: readonly number[], keepDims = false): Tensor {
  const rank = x.shape.length;
  const places = axes?.map((axis) => normalizeAxis(axis, rank)) ?? x.shape.map((_, axis) => axis);
  return places.length === 0 ? x : apply('sum', [x], { axes: places, keepDims });
}

/** The mean over axes of fixed size. */
export function mean(x: Tensor, axes: readonly number[], keepDims = false): Tensor {
  let count = 1;
  for (const axis of axes) {
    const size = x.shape.at(axis);
    if (typeof size !== 'number') {
      throw new BertramError(
        'bad-graph',
        `mean: expected axes of fixed size, got axis ${axis} of ${x.toString()}`,
      );
    }
    count *= size;
  }
  return multiply(sum(x, axes, keepDims), 1 / count);
}

/** Over the last axis. */
export const softmax = (x: Tensor): Tensor => apply('softmax', [x], {});
/** Over the last axis. */
export const logSoftmax = (x: Tensor): Tensor => apply('logSoftmax', [x], {});

/** -log softmax(logits)[label] for each row of logits [N, C], with integer labels [N] from 0 to C - 1: [N]. */
export const softmaxCrossEntropy = (logits: Tensor, labels: Tensor): Tensor =>
  apply('softmaxCrossEntropy', [logits, labels], {});
/** The gradient of the logits of {@link softmaxCrossEntropy}, with g [N]: [N, C]. */
export const softmaxCrossEntropyGradient = (g: Tensor, logits: Tensor, labels: Tensor): Tensor =>
  apply('softmaxCrossEntropyGradient', [g, logits, labels], {});
/** Where along the last axis the largest number is, the first where several are: int64. */
export const argMax = (x: Tensor): Tensor => apply('argMax', [x], {});

/** Normalises the last axis to mean 0 and variance 1, then scales by weight and shifts by bias (Ba et al., 2016). */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor {
  return apply('layerNorm', [x, weight, bias], { epsilon });
}

/** Rows of a table [R, C] by integer ids [...]: [..., C]. The row of `frozenId` gets no gradient. */
export const gather = (table: Tensor, ids: Tensor, frozenId?: number): Tensor =>
  apply('gather', [table, ids], { frozenId });
/** Updates [..., C] added into a zero table [rows, C] by ids [...], which may repeat. */
export const scatterAdd = (updates: Tensor, ids: Tensor, rows: Dim): Tensor =>
  apply('scatterAdd', [updates, ids], { rows });
/** ids [...] to [..., depth]; an id outside 0 to depth - 1 gives zeros. */
export const oneHot = (ids: Tensor, depth: Dim): Tensor => apply('oneHot', [ids], { depth });

/** Zeroes x where the mask (uint8, 0 or 1) holds 0, and scales the rest by 1 / (1 - rate) (Srivastava et al., 2014). */
export const dropout = (x: Tensor, mask: Tensor, rate: number): Tensor =>
  apply('dropout', [x, mask], { rate });
/** {@link dropout} of {@link softmax}. */
export const softmaxDropout = (x: Tensor, mask: Tensor, rate: number): Tensor =>
  apply('softmaxDropout', [x, mask], { rate });

/** Multi-head attention of query, key, value [B, S, H]; mask int32 [B, S] holds 0 where a key is padding. [B, S, H]. */
export const attention = (
  query: Tensor,
  key: Tensor,
  value: Tensor,
  mask: Tensor | undefined,
  heads: number,
): Tensor =>
  apply('attention', mask === undefined ? [query, key, value] : [query, key, value, mask], { heads });

/** x as it is, for readers that shall not run before `other` is there. */
export const after = (x: Tensor, other: Tensor): Tensor => apply('after', [x, other], {});
