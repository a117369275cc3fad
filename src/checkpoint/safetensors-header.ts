/**
 * The header of a safetensors file: from untrusted bytes to a checked table of tensors.
 *
 * Layout: 8 bytes of header length N (unsigned, little-endian), N bytes of JSON, then the data area to the end of the
 * file. Reference: the "Format" section of https://github.com/huggingface/safetensors; where the Rust library is laxer
 * than that text, test/checkpoint/malformed-files.test.ts lists the difference.
 */
import { badInput, shown } from '../support/errors.ts';
import { mistakenFor } from './file-signatures.ts';
import { JsonScanner } from './json-scanner.ts';
import { byteLengthOf, isDtype } from './safetensors-dtype.ts';
import type { Dtype } from './safetensors-dtype.ts';

/** Bytes of the length field. */
export const LENGTH_BYTES = 8;
/** The longest header the format allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

export const METADATA_KEY = '__metadata__';

/** What the header says of one tensor. */
export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte and one past the last, counted from the start of the data area. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The header's length from the first bytes of the file, checked against the bound and the file's size, so that nothing
 * is allocated on the word of a damaged file.
 *
 * @param start the first 8 bytes of the file, or all of a shorter one
 * @param fileSize in bytes
 * @param where the file, to open error lines
 */
export function parseHeaderLength(start: Uint8Array, fileSize: number, where: string): number {
  if (fileSize < LENGTH_BYTES) badInput(where, `at least ${LENGTH_BYTES} bytes`, `a file of ${fileSize}`);
  const length = new DataView(start.buffer, start.byteOffset, start.byteLength).getBigUint64(0, true);
  const got = mistakenFor(start) ?? `a header length of ${length.toString()}`;
  if (length > BigInt(MAX_HEADER_BYTES))
    badInput(where, `a header of at most ${MAX_HEADER_BYTES} bytes`, got);
  if (length > BigInt(fileSize - LENGTH_BYTES)) {
    badInput(where, `a header within the file's ${fileSize} bytes`, got);
  }
  return Number(length);
}

/**
 * Parses and checks the JSON part of a header.
 *
 * @param bytes exactly the header, without the length field
 * @param dataLength bytes from the end of the header to the end of the file; the tensors must cover them exactly
 * @param where the file, to open error lines
 */
export function parseHeader(bytes: Uint8Array, dataLength: number, where: string): SafetensorsHeader {
  const place = `${where}: header`;
  if (bytes[0] !== 0x7b) {
    badInput(
      place,
      "'{' as its first byte",
      bytes[0] === undefined ? 'an empty header' : hexadecimal(bytes[0]),
    );
  }
  const scanner = new JsonScanner(decodeUtf8(bytes, place), place);
  const metadata = new Map<string, string>();
  const entries: [string, TensorInfo][] = [];
  scanner.object((key) => {
    if (key === METADATA_KEY) scanner.object((name) => metadata.set(name, scanner.string()));
    else entries.push([key, readTensorInfo(scanner, `${where}: tensor ${shown(key)}`)]);
  });
  scanner.end();
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, dataLength, where);
  return { tensors: new Map(entries), metadata };
}

/** Reads `{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`; other fields are passed over, as the library does. */
function readTensorInfo(scanner: JsonScanner, where: string): TensorInfo {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  const counts = (): number[] => {
    const values: number[] = [];
    scanner.array(() => values.push(scanner.count()));
    return values;
  };
  scanner.object((field) => {
    if (field === 'dtype') dtype = scanner.string();
    else if (field === 'shape') shape = counts();
    else if (field === 'data_offsets') offsets = counts();
    else scanner.skip();
  });
  if (dtype === undefined) badInput(where, 'a dtype', 'none');
  if (shape === undefined) badInput(where, 'a shape', 'none');
  if (offsets === undefined) badInput(where, 'data_offsets', 'none');
  if (!isDtype(dtype)) badInput(where, 'a known dtype', shown(dtype));
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin === undefined || end === undefined) {
    badInput(where, 'two data_offsets', shown(offsets));
  }
  if (begin > end) badInput(where, 'data_offsets that do not decrease', shown(offsets));
  const expected = byteLengthOf(dtype, shape);
  if (expected === undefined) {
    badInput(where, 'a size in whole bytes below 2^53 bits', `${dtype} of shape ${shown(shape)}`);
  }
  if (end - begin !== expected) {
    badInput(
      where,
      `${expected} bytes for ${dtype} of shape ${shown(shape)}`,
      `data_offsets ${shown(offsets)}`,
    );
  }
  return { dtype, shape, begin, end };
}

/** The tensors, in order of their data, must follow one another from the first byte of the data area to its last. */
function checkCoverage(entries: readonly [string, TensorInfo][], dataLength: number, where: string): void {
  let covered = 0;
  for (const [name, { begin, end }] of entries) {
    if (begin !== covered) {
      const kind = begin > covered ? 'a hole before it' : 'an overlap';
      badInput(`${where}: tensor ${shown(name)}`, `data from byte ${covered}`, `byte ${begin}: ${kind}`);
    }
    covered = end;
  }
  if (covered !== dataLength) {
    badInput(where, `${covered} bytes of data, as the header says`, `${dataLength}`);
  }
}

/** Decodes strictly; a byte order mark is kept, so that what follows can refuse it. */
function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    badInput(where, 'valid UTF-8', 'other bytes');
  }
}

function hexadecimal(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
