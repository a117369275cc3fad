/**
 * Tensors whose elements lie in a file at regular distances: what the importers of other formats make of them.
 *
 * TensorFlow stores a kernel as [inputs, outputs] where Hugging Face's weight is [outputs, inputs]; PyTorch stores views
 * of shared memory. Both are a start, a shape and strides, which need no arithmetic but indexing:
 *
 *     kernel [2, 3] at 0 1 2 | 3 4 5   as weight [3, 2] with strides [1, 3]:   0 3 | 1 4 | 2 5
 *
 * Reference: `torch.Tensor.stride`.
 */
import { BertramError, badInput, shown } from '../support/errors.ts';
import { DTYPES, elementCount, viewAs } from './safetensors-dtype.ts';
import type { Dtype, TensorData } from './safetensors-dtype.ts';
import { WIDENINGS } from './safetensors-source.ts';
import type { ByteSource } from './safetensors-source.ts';
import type { TensorEntry, WeightSource } from './weight-source.ts';

/** Where a tensor's elements lie. */
export interface StridedTensor {
  /** Of whole bytes. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** For each axis, the elements from one index to the next: [5, 1] for a matrix of five columns, row by row. */
  readonly strides: readonly number[];
  readonly source: ByteSource;
  /** The bytes of the file from the first element to the last, with what lies between them. */
  readonly position: number;
  readonly byteLength: number;
  /** Whether those bytes are what was written, as a checksum says; undefined where there is none. */
  readonly isIntact?: (bytes: Uint8Array) => boolean;
}

/** Side of the squares in which a matrix is turned, so that neither side of it leaves the cache. */
const TILE = 32;

/** Strides of a tensor whose elements follow one another, the last axis fastest. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  for (let axis = shape.length - 1, step = 1; axis >= 0; step *= shape[axis--]!) strides.unshift(step);
  return strides;
}

/** Elements from the first of a tensor to its last, both counted; 0 if it has none. */
export function elementSpan(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((last, size, axis) => last + (size - 1) * strides[axis]!, 0) + 1;
}

export class StridedWeights implements WeightSource {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string> = new Map();
  readonly unlisted: readonly string[] = [];
  readonly leftOut: ReadonlyMap<string, string>;
  readonly #located: ReadonlyMap<string, StridedTensor>;
  readonly #files: readonly ByteSource[];

  /**
   * @param located tensors whose place has been checked to be within their file, with no more elements than fit there
   * @param files to close at the end
   */
  constructor(
    path: string,
    located: ReadonlyMap<string, StridedTensor>,
    leftOut: ReadonlyMap<string, string>,
    files: readonly ByteSource[],
  ) {
    this.path = path;
    this.leftOut = leftOut;
    this.#located = located;
    this.#files = files;
    this.tensors = new Map(
      Array.from(located, ([name, { dtype, shape, source }]) => [
        name,
        { dtype, shape, byteLength: elementCount(shape)! * elementBytes(dtype), file: source.path },
      ]),
    );
  }

  async read(name: string): Promise<TensorData> {
    const tensor = this.#find(name);
    const bytes = this.#allocate(name, this.tensors.get(name)!.byteLength);
    await this.#readInto(name, tensor, bytes);
    return viewAs(tensor.dtype, bytes);
  }

  async readFloat32(name: string, into?: Float32Array): Promise<Float32Array> {
    const tensor = this.#find(name);
    const { dtype, shape, source } = tensor;
    const where = `${source.path}: tensor ${shown(name)}`;
    const widen = WIDENINGS[dtype];
    if (widen === undefined && dtype !== 'F32') {
      badInput(where, 'a float element type (F32, F16, BF16, F64)', dtype);
    }
    const length = elementCount(shape)!;
    if (into !== undefined && into.length !== length)
      badInput(where, `room for ${length} values`, `${into.length}`);
    const values = into ?? new Float32Array(this.#allocate(name, length * 4).buffer);
    if (widen !== undefined) widen(await this.read(name), values);
    else
      await this.#readInto(name, tensor, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return values;
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }

  /** Fills `bytes` with the elements in the order of the shape. */
  async #readInto(name: string, tensor: StridedTensor, bytes: Uint8Array): Promise<void> {
    const { dtype, shape, strides, source, position, byteLength, isIntact } = tensor;
    const inOrder = contiguousStrides(shape).every(
      (step, axis) => shape[axis]! <= 1 || step === strides[axis],
    );
    const extent = inOrder ? bytes : this.#allocate(name, byteLength);
    if (extent.length === 0) return;
    await source.read(extent, position);
    if (isIntact?.(extent) === false) {
      badInput(`${source.path}: tensor ${shown(name)}`, 'bytes that match their checksum', 'damaged ones');
    }
    if (!inOrder) gather(bitsOf(dtype, extent), shape, strides, bitsOf(dtype, bytes));
  }

  #find(name: string): StridedTensor {
    const tensor = this.#located.get(name);
    if (tensor !== undefined) return tensor;
    throw new BertramError(
      'not-found',
      `${this.path}: no tensor named ${shown(name)} among its ${this.#located.size}`,
    );
  }

  #allocate(name: string, length: number): Uint8Array {
    try {
      return new Uint8Array(length);
    } catch (error) {
      const where = `${this.path}: tensor ${shown(name)} of ${length} bytes`;
      throw new BertramError('failed', `${where}: out of memory`, { cause: error });
    }
  }
}

function elementBytes(dtype: Dtype): number {
  return DTYPES[dtype].bits / 8;
}

type Bits = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** Elements as bit patterns, so that a NaN keeps its payload on the way. */
function bitsOf(dtype: Dtype, bytes: Uint8Array): Bits {
  const patterns = { 1: 'U8', 2: 'U16', 4: 'U32', 8: 'U64' } as const;
  return viewAs(patterns[elementBytes(dtype) as keyof typeof patterns], bytes) as Bits;
}

/** Copies elements at strides to their places in order: matrix by matrix of the last two axes, each in tiles. */
function gather(from: Bits, shape: readonly number[], strides: readonly number[], into: Bits): void {
  const sizes = [1, 1, ...shape];
  const steps = [0, 0, ...strides];
  const [rows, columns] = sizes.splice(-2) as [number, number];
  const [rowStep, columnStep] = steps.splice(-2) as [number, number];
  const matrices = elementCount(sizes)!;
  for (let matrix = 0; matrix < matrices; matrix++) {
    let start = 0;
    for (let axis = sizes.length - 1, rest = matrix; axis >= 0; axis--) {
      start += (rest % sizes[axis]!) * steps[axis]!;
      rest = Math.floor(rest / sizes[axis]!);
    }
    const target = matrix * rows * columns;
    for (let top = 0; top < rows; top += TILE) {
      const bottom = Math.min(top + TILE, rows);
      for (let left = 0; left < columns; left += TILE) {
        const right = Math.min(left + TILE, columns);
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < right; column++) {
            into[target + row * columns + column] = from[start + row * rowStep + column * columnStep]!;
          }
        }
      }
    }
  }
}
