/**
 * The element types a safetensors file may hold, with their sizes and the typed array each is read into.
 *
 * Reference: `Dtype` in huggingface/safetensors, `safetensors/src/tensor.rs` (0.8).
 */

/** The raw elements of a tensor; {@link DTYPES} says which array class holds which element type. */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

interface TensorArrayClass {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): TensorData;
  readonly BYTES_PER_ELEMENT: number;
  readonly name: string;
}

interface DtypeRow {
  /** Size of one element. Below 8, several elements share a byte and a tensor must fill whole bytes. */
  readonly bits: number;
  /**
   * The array class of its raw elements. JavaScript has no arrays of the smaller floats: F16 and BF16 come as their
   * 16-bit patterns, F8 and below as bytes, and C64 as real and imaginary parts in turn.
   */
  readonly array: TensorArrayClass;
}

/** In the library's "increasing alignment order", by which a writer sorts tensors (last row first). */
export const DTYPES = {
  BOOL: { bits: 8, array: Uint8Array },
  F4: { bits: 4, array: Uint8Array },
  F6_E2M3: { bits: 6, array: Uint8Array },
  F6_E3M2: { bits: 6, array: Uint8Array },
  U8: { bits: 8, array: Uint8Array },
  I8: { bits: 8, array: Int8Array },
  F8_E5M2: { bits: 8, array: Uint8Array },
  F8_E4M3: { bits: 8, array: Uint8Array },
  F8_E8M0: { bits: 8, array: Uint8Array },
  F8_E4M3FNUZ: { bits: 8, array: Uint8Array },
  F8_E5M2FNUZ: { bits: 8, array: Uint8Array },
  I16: { bits: 16, array: Int16Array },
  U16: { bits: 16, array: Uint16Array },
  F16: { bits: 16, array: Uint16Array },
  BF16: { bits: 16, array: Uint16Array },
  I32: { bits: 32, array: Int32Array },
  U32: { bits: 32, array: Uint32Array },
  F32: { bits: 32, array: Float32Array },
  C64: { bits: 64, array: Float32Array },
  F64: { bits: 64, array: Float64Array },
  I64: { bits: 64, array: BigInt64Array },
  U64: { bits: 64, array: BigUint64Array },
} as const satisfies Readonly<Record<string, DtypeRow>>;

export type Dtype = keyof typeof DTYPES;

const RANKS: ReadonlyMap<string, number> = new Map(Object.keys(DTYPES).map((name, rank) => [name, rank]));

export function isDtype(name: string): name is Dtype {
  return RANKS.has(name);
}

/** The place of an element type in the alignment order, from 0. */
export function alignmentRank(dtype: Dtype): number {
  return RANKS.get(dtype)!;
}

/**
 * The number of elements of a shape (1 for the scalar's `[]`), or undefined when the product, taken from the left, passes
 * 2^53 on its way. As in the library, `[2^32, 2^32, 0]` is therefore no shape, and `[0, 2^32, 2^32]` is.
 */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/**
 * The bytes a tensor takes, or undefined when its size is no safe integer, or no whole number of bytes.
 *
 * @param shape non-negative integers
 */
export function byteLengthOf(dtype: Dtype, shape: readonly number[]): number | undefined {
  const bits = (elementCount(shape) ?? NaN) * DTYPES[dtype].bits;
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : undefined;
}

/** A tensor's bytes as the array of its element type, sharing memory; `bytes` must start on an element boundary. */
export function viewAs(dtype: Dtype, bytes: Uint8Array): TensorData {
  const { array }: DtypeRow = DTYPES[dtype];
  return new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT);
}
