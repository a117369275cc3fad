/**
 * Data types and shapes, with symbolic dimensions.
 *
 * Shape letters, used everywhere: B batch, S sequence, H hidden, N heads, D head size, V vocabulary, P predictions,
 * I intermediate. A dimension that is only known when a program runs is named by its letter; a product of
 * dimensions is written with `*`, its number first and its letters sorted: `flattened [B, S, 64]` is `64*B*S`.
 */
import { BertramError } from '../support/errors.ts';

export type DType = 'float32' | 'int32' | 'int64' | 'int8' | 'uint8' | 'bool';

/** A fixed size, or the name of one that a run decides. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** `float32[B, S, 768]` */
export function describe(dtype: DType, shape: Shape): string {
  return `${dtype}[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** The product of dimensions in normal form, so that equal products are equal values: `['S', 2, 'B']` is `2*B*S`. */
export function product(dims: Shape): Dim {
  let size = 1;
  const names: string[] = [];
  for (const dim of dims) {
    if (typeof dim === 'number') size *= dim;
    else {
      for (const factor of dim.split('*')) {
        const value = Number(factor);
        if (Number.isNaN(value)) names.push(factor);
        else size *= value;
      }
    }
  }
  if (names.length === 0 || size === 0) return size;
  names.sort();
  return size === 1 ? names.join('*') : `${String(size)}*${names.join('*')}`;
}

/** Whether this is a size, or letters in the normal form of {@link product}. */
export function isDim(dim: Dim): boolean {
  return typeof dim === 'number' ? Number.isSafeInteger(dim) && dim >= 0 : product([dim]) === dim;
}

/** The value of a dimension once its letters are bound; throws on an unbound letter. */
export function evaluateDim(dim: Dim, bindings: ReadonlyMap<string, number>): number {
  if (typeof dim === 'number') return dim;
  let size = 1;
  for (const factor of dim.split('*')) {
    const literal = Number(factor);
    const value = Number.isNaN(literal) ? bindings.get(factor) : literal;
    if (value === undefined) {
      throw new BertramError(
        'bad-graph',
        `dimension ${dim}: ${factor} is not bound by any input of the program`,
      );
    }
    size *= value;
  }
  return size;
}

/** Numpy's broadcasting rule; undefined where the shapes do not broadcast. */
export function broadcast(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    result.push(x === 1 ? y : x);
  }
  return result;
}

/** Turns a negative axis into its place from the front. One that is out of range stays as it is, for a shape rule to refuse. */
export function normalizeAxis(axis: number, rank: number): number {
  return axis < 0 && axis >= -rank ? axis + rank : axis;
}
