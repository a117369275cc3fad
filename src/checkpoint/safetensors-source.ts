/**
 * Reading tensors of one safetensors file through positioned reads: only the header and the tensors asked for are
 * ever in memory. Knows no file system, so that it serves a page in the browser as well.
 */
import { BertramError, badInput, shown } from '../support/errors.ts';
import { bfloat16ToFloat32, float16ToFloat32 } from '../support/float16.ts';
import { viewAs } from './safetensors-dtype.ts';
import type { Dtype, TensorData } from './safetensors-dtype.ts';
import { LENGTH_BYTES, parseHeader, parseHeaderLength } from './safetensors-header.ts';
import type { SafetensorsHeader } from './safetensors-header.ts';
import type { TensorEntry, WeightSource } from './weight-source.ts';

/** Bytes at positions: an open file, or an array. */
export interface ByteSource {
  /** To open error lines. */
  readonly path: string;
  readonly size: number;
  /** Fills all of `into` from `position` on, or throws. */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** Elements converted at a time: small enough to stay in the cache. */
const CHUNK_ELEMENTS = 1 << 16;

/** How element types other than F32 become 32-bit floats. */
export const WIDENINGS: Readonly<Partial<Record<Dtype, (source: TensorData, into: Float32Array) => void>>> = {
  F16: (source, into) => void float16ToFloat32(source as Uint16Array, into),
  BF16: (source, into) => void bfloat16ToFloat32(source as Uint16Array, into),
  F64: (source, into) => into.set(source as Float64Array),
};

/** One open safetensors file. */
export class SafetensorsFile implements WeightSource {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unlisted: readonly string[] = [];
  readonly leftOut: ReadonlyMap<string, string> = new Map();
  readonly #source: ByteSource;
  readonly #header: SafetensorsHeader;
  readonly #dataStart: number;

  private constructor(source: ByteSource, header: SafetensorsHeader, dataStart: number) {
    this.#source = source;
    this.#header = header;
    this.#dataStart = dataStart;
    this.metadata = header.metadata;
    this.tensors = new Map(
      Array.from(header.tensors, ([name, { dtype, shape, begin, end }]) => [
        name,
        { dtype, shape, byteLength: end - begin, file: source.path },
      ]),
    );
  }

  /** Reads and checks the header. On failure the source is left open. */
  static async open(source: ByteSource): Promise<SafetensorsFile> {
    const start = new Uint8Array(Math.min(LENGTH_BYTES, source.size));
    await source.read(start, 0);
    const header = new Uint8Array(parseHeaderLength(start, source.size, source.path));
    await source.read(header, LENGTH_BYTES);
    const dataStart = LENGTH_BYTES + header.length;
    return new SafetensorsFile(source, parseHeader(header, source.size - dataStart, source.path), dataStart);
  }

  get path(): string {
    return this.#source.path;
  }

  async read(name: string): Promise<TensorData> {
    const { dtype, begin, end } = this.#info(name);
    const bytes = this.#allocate(name, end - begin, (length) => new Uint8Array(length));
    await this.#source.read(bytes, this.#dataStart + begin);
    return viewAs(dtype, bytes);
  }

  async readFloat32(name: string, into?: Float32Array): Promise<Float32Array> {
    const { dtype, begin, end } = this.#info(name);
    const widen = WIDENINGS[dtype];
    if (widen === undefined && dtype !== 'F32') {
      badInput(`${this.path}: tensor ${shown(name)}`, 'a float element type (F32, F16, BF16, F64)', dtype);
    }
    const elementBytes = dtype === 'F32' ? 4 : dtype === 'F64' ? 8 : 2;
    const length = (end - begin) / elementBytes;
    const values = into ?? this.#allocate(name, length, (count) => new Float32Array(count));
    if (values.length !== length) {
      badInput(`${this.path}: tensor ${shown(name)}`, `room for ${length} values`, `${values.length}`);
    }
    if (widen === undefined) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      await this.#source.read(bytes, this.#dataStart + begin);
      return values;
    }
    const staging = new Uint8Array(Math.min(length, CHUNK_ELEMENTS) * elementBytes);
    for (let done = 0; done < length; done += CHUNK_ELEMENTS) {
      const count = Math.min(CHUNK_ELEMENTS, length - done);
      const chunk = staging.subarray(0, count * elementBytes);
      await this.#source.read(chunk, this.#dataStart + begin + done * elementBytes);
      widen(viewAs(dtype, chunk), values.subarray(done, done + count));
    }
    return values;
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  #info(name: string) {
    const info = this.#header.tensors.get(name);
    if (info === undefined) {
      throw new BertramError(
        'not-found',
        `${this.path}: no tensor named ${shown(name)} among its ${this.tensors.size}`,
      );
    }
    return info;
  }

  /** Allocates, naming the tensor when the engine cannot: a header may rightly describe more than memory holds. */
  #allocate<T>(name: string, length: number, make: (length: number) => T): T {
    try {
      return make(length);
    } catch (error) {
      const size = this.tensors.get(name)?.byteLength ?? 0;
      throw new BertramError(
        'failed',
        `${this.path}: tensor ${shown(name)} of ${size} bytes: out of memory`,
        {
          cause: error,
        },
      );
    }
  }
}

/** A safetensors file that is in memory already, such as one fetched by a page. */
export function openSafetensorsBytes(bytes: Uint8Array, path = 'safetensors'): Promise<SafetensorsFile> {
  return SafetensorsFile.open({
    path,
    size: bytes.length,
    read: (into, position) => {
      into.set(bytes.subarray(position, position + into.length));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
}
