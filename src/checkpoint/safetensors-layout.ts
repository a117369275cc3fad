/**
 * Laying out a safetensors file: the order of the tensors, their offsets, and the header bytes that say so.
 *
 * Same order and same bytes as the Rust library (`prepare` in safetensors/src/tensor.rs): element types of the
 * strictest alignment first, then names by code point; the header padded with spaces to a multiple of 8.
 */
import { badInput, shown } from '../support/errors.ts';
import { DTYPES, alignmentRank, byteLengthOf, elementCount } from './safetensors-dtype.ts';
import type { Dtype, TensorData } from './safetensors-dtype.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES, METADATA_KEY } from './safetensors-header.ts';

/** A tensor to be written. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Its elements, in the array class of its type, or what makes them when their turn to be written comes. */
  readonly data: TensorData | (() => TensorData | Promise<TensorData>);
}

export type Metadata = Readonly<Record<string, string>> | ReadonlyMap<string, string>;

export interface Layout {
  /** The length field and the padded JSON. */
  readonly header: Uint8Array;
  /** The tensors in the order of their data, each with its bytes. */
  readonly tensors: readonly (readonly [tensor: TensorToWrite, byteLength: number])[];
}

/** Orders tensors and makes their header. Refuses names twice, shapes that are none, and data that is there and unfit. */
export function layOut(
  tensors: Iterable<TensorToWrite>,
  metadata: Metadata | undefined,
  where: string,
): Layout {
  const encoder = new TextEncoder();
  const sized = Array.from(tensors, (tensor) => ({
    tensor,
    byteLength: checkedByteLength(tensor, where),
    nameBytes: encoder.encode(tensor.name),
  }));
  sized.sort(
    (a, b) =>
      alignmentRank(b.tensor.dtype) - alignmentRank(a.tensor.dtype) || compareBytes(a.nameBytes, b.nameBytes),
  );
  const names = new Set<string>();
  const fields =
    metadata === undefined ? [] : [`${JSON.stringify(METADATA_KEY)}:${formatMetadata(metadata, where)}`];
  let offset = 0;
  for (const { tensor, byteLength } of sized) {
    const { name, dtype, shape } = tensor;
    if (names.has(name)) badInput(`${where}: tensor ${shown(name)}`, 'each name once', 'it twice');
    names.add(name);
    const end = offset + byteLength;
    const info = { dtype, shape, data_offsets: [offset, end] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(info)}`);
    offset = end;
  }
  const json = encoder.encode(`{${fields.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES)
    badInput(where, `a header of at most ${MAX_HEADER_BYTES} bytes`, `${padded}`);
  const header = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, LENGTH_BYTES);
  return { header, tensors: sized.map(({ tensor, byteLength }) => [tensor, byteLength]) };
}

/** Checks the array a tensor is written from: the class of its element type, and as many elements as the shape says. */
export function checkData(tensor: TensorToWrite, data: TensorData, byteLength: number, where: string): void {
  const { array } = DTYPES[tensor.dtype];
  if (!(data instanceof array)) {
    badInput(`${where}: tensor ${shown(tensor.name)}`, `${array.name} for ${tensor.dtype}`, kindOf(data));
  }
  if (data.byteLength !== byteLength) {
    const expected = `${byteLength} bytes for ${tensor.dtype} of shape ${shown(tensor.shape)}`;
    badInput(`${where}: tensor ${shown(tensor.name)}`, expected, `${data.byteLength}`);
  }
}

function checkedByteLength(tensor: TensorToWrite, where: string): number {
  const { name, dtype, shape, data } = tensor;
  const place = `${where}: tensor ${shown(name)}`;
  checkText(name, place);
  if (name === METADATA_KEY) badInput(place, 'a name that the format has not taken', 'this one');
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || elementCount(shape) === undefined) {
    badInput(place, 'a shape of non-negative integers', shown(shape));
  }
  const byteLength = byteLengthOf(dtype, shape);
  if (byteLength === undefined) badInput(place, 'a size in whole bytes', `${dtype} of shape ${shown(shape)}`);
  if (typeof data !== 'function') checkData(tensor, data, byteLength, where);
  return byteLength;
}

/** Metadata by name, so that equal models give equal bytes (the Rust library leaves the order to chance). */
function formatMetadata(metadata: Metadata, where: string): string {
  const entries: [string, string][] = Symbol.iterator in metadata ? [...metadata] : Object.entries(metadata);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, value] of entries) {
    checkText(key, `${where}: metadata`);
    checkText(value, `${where}: metadata ${shown(key)}`);
  }
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
}

function checkText(text: unknown, where: string): void {
  if (typeof text !== 'string') badInput(where, 'a string', shown(text));
  if (/\p{Surrogate}/u.test(text)) badInput(where, 'well-formed Unicode', 'a lone surrogate');
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function kindOf(data: unknown): string {
  return ArrayBuffer.isView(data) ? data.constructor.name : typeof data;
}
