/**
 * The sorted table of strings in which TensorFlow indexes a checkpoint: LevelDB's format of version 1.
 *
 *     block*  index block  footer            footer: two block handles, padding, magic number; 48 bytes
 *     block:  entry*  restart*  count        followed by a compression type and a masked CRC-32C
 *     entry:  shared, unshared, valueLength (varints), unshared bytes of the key, value
 *
 * A key shares its first bytes with the key before: after `bert/a/bias`, `bert/a/kernel` is (7, 6, "kernel"). Entries
 * of the index block have as values the handles, offset and size, of the blocks.
 *
 * Reference: `tensorflow/core/lib/io/{format,block,table}.cc`; LevelDB's `doc/table_format.md`.
 */
import { badInput, BertramError, shown } from '../support/errors.ts';
import { maskedCrc32c } from '../support/crc32c.ts';

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
/** A compression type and a checksum behind each block. */
const TRAILER_BYTES = 5;
/** Far above any variable's name. */
const MAX_KEY_LENGTH = 4096;
/** All keys together, spelled out: prefix compression lets a small file describe endless ones. */
const MAX_KEY_BYTES = 16 * 2 ** 20;

/**
 * All entries of a table, in their order.
 *
 * @param bytes the whole file
 * @param where the file, to open error lines
 * @throws BertramError `bad-input` for damage, checksums included; `unsupported` for compressed blocks
 */
export function readTable(bytes: Uint8Array, where: string): ReadonlyMap<string, Uint8Array> {
  if (bytes.length < FOOTER_BYTES) {
    badInput(where, `at least the ${FOOTER_BYTES} bytes of a footer`, `a file of ${bytes.length}`);
  }
  const footer = bytes.subarray(bytes.length - FOOTER_BYTES);
  const magic = new DataView(footer.buffer, footer.byteOffset).getBigUint64(FOOTER_BYTES - 8, true);
  if (magic !== MAGIC) {
    badInput(where, `a TensorFlow checkpoint index ending in ${hexadecimal(MAGIC)}`, hexadecimal(magic));
  }
  const handles = new VarintReader(footer, `${where}: footer`);
  blockAt(bytes, handles, where); // The metaindex, which TensorFlow leaves empty.
  const table = new Map<string, Uint8Array>();
  let lastKey: string | undefined;
  let keyBytes = 0;
  for (const [, handle] of entries(blockAt(bytes, handles, where), `${where}: index block`)) {
    const reader = new VarintReader(handle, `${where}: block handle`);
    let isEmpty = true;
    for (const [key, value] of entries(blockAt(bytes, reader, where), `${where}: block`)) {
      // The order also bounds the work: no block can be named twice.
      if (lastKey !== undefined && key <= lastKey) badInput(where, 'keys in order', shown(key));
      keyBytes += key.length;
      if (keyBytes > MAX_KEY_BYTES) badInput(where, `at most ${MAX_KEY_BYTES} bytes of keys`, 'more');
      table.set(key, value);
      lastKey = key;
      isEmpty = false;
    }
    if (isEmpty) badInput(where, 'blocks with entries', 'an empty one');
  }
  return table;
}

/** The contents of the block whose handle comes next in a reader, its checksum verified. */
function blockAt(bytes: Uint8Array, handle: VarintReader, where: string): Uint8Array {
  const offset = handle.next();
  const size = handle.next();
  const end = offset + size;
  if (end + TRAILER_BYTES > bytes.length - FOOTER_BYTES) {
    badInput(where, `blocks within the file's ${bytes.length} bytes`, `one of ${size} at ${offset}`);
  }
  const stored = new DataView(bytes.buffer, bytes.byteOffset + end + 1).getUint32(0, true);
  const place = `${where}: block at ${offset}`;
  if (maskedCrc32c(bytes.subarray(offset, end + 1)) !== stored) {
    badInput(place, 'bytes that match their checksum', 'damaged ones');
  }
  const compression = bytes[end]!;
  if (compression !== 0) {
    const name = compression === 1 ? 'snappy' : `type ${compression}`;
    throw new BertramError('unsupported', `${place}: expected no compression, got ${name}`);
  }
  return bytes.subarray(offset, end);
}

function* entries(block: Uint8Array, where: string): Generator<readonly [key: string, value: Uint8Array]> {
  if (block.length < 4) badInput(where, 'a count of restarts', `${block.length} bytes`);
  const restarts = new DataView(block.buffer, block.byteOffset).getUint32(block.length - 4, true);
  const end = block.length - 4 * (restarts + 1);
  if (end < 0) badInput(where, `at most ${Math.floor(block.length / 4) - 1} restarts`, `${restarts}`);
  const reader = new VarintReader(block.subarray(0, end), where);
  let key = '';
  while (!reader.isAtEnd) {
    const shared = reader.next();
    const unshared = reader.next();
    const valueLength = reader.next();
    if (shared > key.length) badInput(where, `at most ${key.length} shared bytes of a key`, `${shared}`);
    key = key.slice(0, shared) + String.fromCharCode(...reader.take(Math.min(unshared, MAX_KEY_LENGTH + 1)));
    if (key.length > MAX_KEY_LENGTH)
      badInput(where, `keys of at most ${MAX_KEY_LENGTH} bytes`, 'a longer one');
    yield [key, reader.take(valueLength)];
  }
}

/** Variable-length integers, seven bits a byte from the lowest on, and bytes between them. */
class VarintReader {
  readonly #bytes: Uint8Array;
  readonly #where: string;
  #position = 0;

  constructor(bytes: Uint8Array, where: string) {
    this.#bytes = bytes;
    this.#where = where;
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  next(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) badInput(this.#where, 'a varint', 'the end');
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) badInput(this.#where, 'a varint below 2^53', 'a larger one');
      if (byte < 0x80) return value;
    }
  }

  take(length: number): Uint8Array {
    const end = this.#position + length;
    if (end > this.#bytes.length) badInput(this.#where, `${length} bytes`, 'the end');
    const taken = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return taken;
  }
}

function hexadecimal(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
