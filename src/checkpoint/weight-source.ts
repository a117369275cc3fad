/**
 * Where weights come from: one interface over files of every format, single or in shards, and bytes in memory.
 */
import type { Dtype, TensorData } from './safetensors-dtype.ts';

/** A tensor as a source offers it, before its data is read. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** The file that holds it, for error lines. */
  readonly file: string;
}

export interface WeightSource {
  /** The file or directory, as the user named it. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors found in shards but not listed in their index. Empty for a single file. */
  readonly unlisted: readonly string[];
  /** What a file holds beside the parameters of a model, such as an optimizer's moments: names with the reason. */
  readonly leftOut: ReadonlyMap<string, string>;
  /** The raw elements, in the array of their type: 16-bit floats as `Uint16Array` of bit patterns. */
  read(name: string): Promise<TensorData>;
  /**
   * The elements as 32-bit floats, from F32, F16, BF16 (exactly) or F64 (rounded to nearest).
   *
   * @param into filled and returned if given; must have as many elements as the tensor
   */
  readFloat32(name: string, into?: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}
