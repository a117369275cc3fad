/** Writes indexes of TensorFlow checkpoints, well formed or not, with checksums that hold. Written from the format's text. */
import { maskedCrc32c } from '../../src/support/crc32c.ts';

export function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

const uint32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
const ascii = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));

export interface BlockOptions {
  readonly compression?: number;
  readonly restarts?: number;
}

/** An entry that shares nothing, or as its numbers say. */
export type Entry = readonly [key: string, value: readonly number[]];

function block(entries: readonly Entry[], { compression = 0, restarts = 1 }: BlockOptions = {}): number[] {
  const body = entries.flatMap(([key, value]) => [
    ...[0, ...varint(key.length), ...varint(value.length)],
    ...ascii(key),
    ...value,
  ]);
  // One restart, at the first entry.
  return sealed([...body, ...uint32(0), ...uint32(restarts)], compression);
}

/** A block's bytes with its compression type and its checksum. */
export function sealed(contents: readonly number[], compression = 0): number[] {
  const bytes = [...contents, compression];
  return [...bytes, ...uint32(maskedCrc32c(Uint8Array.from(bytes)))];
}

const MAGIC = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];
const TRAILER_BYTES = 5;

/** A table of these data blocks, each already sealed. */
export function tableOf(blocks: readonly (readonly number[])[], repeats = 1): Uint8Array {
  const bytes: number[] = [];
  const handles: Entry[] = [];
  for (const data of blocks) {
    const handle = [...varint(bytes.length), ...varint(data.length - TRAILER_BYTES)];
    for (let i = 0; i < repeats; i++) handles.push([`key ${handles.length}`, handle]);
    bytes.push(...data);
  }
  const index = block(handles);
  const metaindex = block([]);
  const footer = [...varint(bytes.length + index.length), ...varint(metaindex.length - TRAILER_BYTES)];
  footer.push(...varint(bytes.length), ...varint(index.length - TRAILER_BYTES));
  while (footer.length < 40) footer.push(0);
  return Uint8Array.from([...bytes, ...index, ...metaindex, ...footer, ...MAGIC]);
}

/** A table of one block. */
export function indexOf(entries: readonly Entry[], options?: BlockOptions): Uint8Array {
  return tableOf([block(entries, options)]);
}
