/**
 * The central directory of a zip archive, for reading stored (uncompressed) entries in place, by position, as PyTorch
 * lays tensors out. Entries are never unpacked as a whole: libraries that stream them cannot say where one lies.
 *
 * Zip64 included, since `torch.save` writes it always. Refused: compression, encryption, archives in several files, a name
 * twice.
 *
 * Reference: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
 */
import { BertramError, badInput, shown } from '../support/errors.ts';
import type { ByteSource } from './safetensors-source.ts';

export interface ZipEntry {
  readonly name: string;
  /** Where its local header begins; its data lies behind that. */
  readonly headerAt: number;
  readonly byteLength: number;
  /** Of its data. */
  readonly crc32: number;
}

const END = { signature: 0x06054b50, bytes: 22 };
const END64_LOCATOR = { signature: 0x07064b50, bytes: 20 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const ZIP64_EXTRA = 1;
const MAX_COMMENT_BYTES = 0xffff;
/** Marks a field that has moved to the Zip64 extra. */
const IN_EXTRA = 0xffffffff;
const ENCRYPTED = 1;

/** BERT-large's, with a storage for each of its 400 tensors, takes 0.03 MB. */
const MAX_DIRECTORY_BYTES = 16 * 2 ** 20;

/** The entries of an archive by name. */
export async function readZipDirectory(source: ByteSource): Promise<ReadonlyMap<string, ZipEntry>> {
  const { offset, size, count } = await findDirectory(source);
  if (size > MAX_DIRECTORY_BYTES) {
    badInput(source.path, `a zip directory of at most ${MAX_DIRECTORY_BYTES} bytes`, `${size}`);
  }
  const view = await readView(source, offset, size);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  while (at < size) {
    const { entry, next } = entryAt(view, at, source.path);
    if (entries.has(entry.name)) badInput(source.path, `one entry ${shown(entry.name)}`, 'two');
    entries.set(entry.name, entry);
    at = next;
  }
  if (entries.size !== count) badInput(source.path, `${count} entries`, `${entries.size}`);
  return entries;
}

/**
 * The first byte of an entry's data, which is known to lie within the file. The local header has a name and an extra
 * with lengths of their own: torch pads with them to 64 bytes.
 */
export async function dataPosition(source: ByteSource, entry: ZipEntry): Promise<number> {
  const where = `${source.path}: entry ${shown(entry.name)}`;
  const header = await readView(source, entry.headerAt, LOCAL.bytes);
  if (header.getUint32(0, true) !== LOCAL.signature) badInput(where, 'a local header', 'other bytes');
  const position = entry.headerAt + LOCAL.bytes + header.getUint16(26, true) + header.getUint16(28, true);
  if (position + entry.byteLength > source.size) {
    badInput(where, `data within the file's ${source.size} bytes`, `${entry.byteLength} at ${position}`);
  }
  return position;
}

interface DirectoryPlace {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

async function findDirectory(source: ByteSource): Promise<DirectoryPlace> {
  const { path, size: fileSize } = source;
  const tailBytes = Math.min(fileSize, END.bytes + MAX_COMMENT_BYTES);
  const tail = await readView(source, fileSize - tailBytes, tailBytes);
  let at = tailBytes - END.bytes;
  // The record is the one whose comment ends with the file.
  while (
    at >= 0 &&
    !(
      tail.getUint32(at, true) === END.signature &&
      tail.getUint16(at + 20, true) === tailBytes - at - END.bytes
    )
  )
    at--;
  if (at < 0) badInput(path, 'a complete zip archive', 'one without its end: a download cut short?');
  const place = {
    count: tail.getUint16(at + 10, true),
    size: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  const locatorAt = fileSize - tailBytes + at - END64_LOCATOR.bytes;
  const wide = locatorAt < 0 ? undefined : await readWidePlace(source, locatorAt);
  const { offset, size, count } = wide ?? place;
  if (offset + size > fileSize)
    badInput(path, 'a zip directory within the file', `one at ${offset} of ${size} bytes`);
  return { offset, size, count };
}

/** The place in the Zip64 record, if there is a locator of one. */
async function readWidePlace(source: ByteSource, locatorAt: number): Promise<DirectoryPlace | undefined> {
  const locator = await readView(source, locatorAt, END64_LOCATOR.bytes);
  if (locator.getUint32(0, true) !== END64_LOCATOR.signature) return undefined;
  if (locator.getUint32(16, true) > 1) {
    throw new BertramError('unsupported', `${source.path}: expected a zip archive in one file, got a part`);
  }
  const position = wideCount(locator, 8, source.path);
  const record = await readView(source, position, END64.bytes);
  if (record.getUint32(0, true) !== END64.signature) badInput(source.path, 'a Zip64 record', 'other bytes');
  return {
    count: wideCount(record, 32, source.path),
    size: wideCount(record, 40, source.path),
    offset: wideCount(record, 48, source.path),
  };
}

function entryAt(view: DataView, at: number, path: string): { entry: ZipEntry; next: number } {
  const fixedEnd = at + CENTRAL.bytes;
  if (fixedEnd > view.byteLength || view.getUint32(at, true) !== CENTRAL.signature) {
    badInput(path, 'an entry of a zip directory', 'other bytes');
  }
  const nameEnd = fixedEnd + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > view.byteLength) badInput(path, 'entries within the zip directory', 'one beyond its end');
  const name = new TextDecoder().decode(part(view, fixedEnd, nameEnd));
  const where = `${path}: entry ${shown(name)}`;
  if ((view.getUint16(at + 8, true) & ENCRYPTED) !== 0) {
    throw new BertramError('unsupported', `${where}: expected plain data, got encrypted`);
  }
  const method = view.getUint16(at + 10, true);
  if (method !== 0) {
    throw new BertramError('unsupported', `${where}: expected stored data, got compression method ${method}`);
  }
  const wide = wideFields(view, nameEnd, extraEnd, where);
  const field = (offset: number): number => {
    const value = view.getUint32(at + offset, true);
    return value === IN_EXTRA ? wide() : value;
  };
  // In the order in which the extra holds those that moved there.
  const byteLength = field(24);
  const stored = field(20);
  const headerAt = field(42);
  if (stored !== byteLength) badInput(where, `${byteLength} stored bytes`, `${stored}`);
  return { entry: { name, headerAt, byteLength, crc32: view.getUint32(at + 16, true) }, next };
}

/** Reads the 64-bit fields of the Zip64 extra one after another. */
function wideFields(view: DataView, start: number, end: number, where: string): () => number {
  let at = start;
  while (at + 4 <= end && view.getUint16(at, true) !== ZIP64_EXTRA) at += 4 + view.getUint16(at + 2, true);
  const extraEnd = at + 4 <= end ? Math.min(end, at + 4 + view.getUint16(at + 2, true)) : end;
  at += 4;
  return () => {
    if (at + 8 > extraEnd) badInput(where, 'a size in its Zip64 extra', 'none');
    at += 8;
    return wideCount(view, at - 8, where);
  };
}

async function readView(source: ByteSource, position: number, length: number): Promise<DataView> {
  if (position + length > source.size) {
    badInput(
      source.path,
      `zip records within its ${source.size} bytes`,
      `one at ${position} of ${length} bytes`,
    );
  }
  const bytes = new Uint8Array(length);
  await source.read(bytes, position);
  return new DataView(bytes.buffer);
}

function wideCount(view: DataView, at: number, where: string): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) badInput(where, 'sizes below 2^53', value.toString());
  return Number(value);
}

function part(view: DataView, start: number, end: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + start, end - start);
}
