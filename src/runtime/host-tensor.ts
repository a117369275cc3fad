/** Numbers in memory: what programs are fed and what they return. */
import { describe, evaluateDim, type DType, type Shape } from '../graph/index.ts';
import { BertramError } from '../support/errors.ts';

export interface HostArrays {
  float32: Float32Array;
  int32: Int32Array;
  int64: BigInt64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type HostData = HostArrays[DType];

/** A typed array and the shape it is read in, row by row. */
export interface HostTensor<Data extends HostData = HostData> {
  readonly data: Data;
  readonly shape: readonly number[];
}

export const ARRAY_CLASSES: Readonly<
  Record<DType, { new (contents: number | ArrayBuffer): HostData; readonly BYTES_PER_ELEMENT: number }>
> = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/**
 * Checks a tensor against a declared type, and binds the letters of the declared shape to its sizes.
 *
 * @throws BertramError `bad-graph` when the array's class, its length or a size does not fit
 */
export function bindShape(
  where: string,
  tensor: HostTensor,
  dtype: DType,
  shape: Shape,
  bindings: Map<string, number>,
): void {
  const { data, shape: sizes } = tensor as Partial<HostTensor>;
  const fail = (): never => {
    const numbers = ArrayBuffer.isView(data) ? `${data.constructor.name} of ${data.length}` : typeof data;
    const got = `${numbers} as ${Array.isArray(sizes) ? `[${sizes.join(', ')}]` : typeof sizes}`;
    const bound = [...bindings].map(([letter, size]) => `${letter} = ${size}`).join(', ');
    const known = bound === '' ? '' : ` with ${bound}`;
    throw new BertramError('bad-graph', `${where}: expected ${describe(dtype, shape)}${known}, got ${got}`);
  };
  if (!(data instanceof ARRAY_CLASSES[dtype]) || sizes?.length !== shape.length) return fail();
  if (data.length !== sizes.reduce((a, b) => a * b, 1)) fail();
  shape.forEach((dim, axis) => {
    if (typeof dim === 'string' && !dim.includes('*') && !bindings.has(dim)) bindings.set(dim, sizes[axis]!);
  });
  if (shape.some((dim, axis) => evaluateDim(dim, bindings) !== sizes[axis])) fail();
}
