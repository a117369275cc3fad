/** Reading of TFRecord files, every record of which is verified when the file is opened. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fileError } from '../checkpoint/file-error.ts';
import { badInput } from '../support/errors.ts';
import { maskedCrc32c } from '../support/crc32c.ts';
import { CHECKSUM_BYTES, HEADER_BYTES, LENGTH_BYTES } from '../support/record-framing.ts';

/** Far above an example's few kilobytes, far below what would exhaust memory on the word of a damaged length. */
const MAX_RECORD_BYTES = 1 << 28;

/** An open file, whose records are found and verified when it is opened. */
export class TfRecordFile {
  readonly path: string;
  readonly #file: number;
  /** Where the data of each record begins. */
  readonly #positions: number[] = [];
  readonly #lengths: number[] = [];

  private constructor(path: string, file: number) {
    this.path = path;
    this.#file = file;
  }

  /**
   * @param visit is given every record as it is verified
   * @throws BertramError `not-found` if there is no such file, `bad-input` for one that is cut short or damaged
   */
  static open(path: string, visit: (data: Uint8Array, index: number) => void): TfRecordFile {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      const records = new TfRecordFile(path, file);
      records.#scan(fstatSync(file).size, visit);
      return records;
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw fileError(path, 'cannot be read', error);
    }
  }

  get size(): number {
    return this.#positions.length;
  }

  /** The data of a record. */
  read(index: number): Uint8Array {
    return this.#bytes(this.#positions[index]!, this.#lengths[index]!);
  }

  close(): void {
    closeSync(this.#file);
  }

  #scan(fileSize: number, visit: (data: Uint8Array, index: number) => void): void {
    for (let position = 0; position < fileSize;) {
      const where = `${this.path}: record ${this.size}`;
      const left = fileSize - position - HEADER_BYTES - CHECKSUM_BYTES;
      if (left < 0) badInput(where, 'a length and its checksum', `${fileSize - position} bytes`);
      const header = this.#bytes(position, HEADER_BYTES);
      verify(header.subarray(0, LENGTH_BYTES), header, LENGTH_BYTES, `${where}: length`);
      const length = Number(view(header).getBigUint64(0, true));
      if (length > Math.min(left, MAX_RECORD_BYTES)) badInput(where, `${length} bytes of data`, String(left));
      const data = this.#bytes(position + HEADER_BYTES, length + CHECKSUM_BYTES);
      const record = data.subarray(0, length);
      verify(record, data, length, where);
      visit(record, this.size);
      this.#positions.push(position + HEADER_BYTES);
      this.#lengths.push(length);
      position += HEADER_BYTES + length + CHECKSUM_BYTES;
    }
  }

  #bytes(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const bytesRead = readSync(this.#file, bytes, done, length - done, position + done);
      if (bytesRead === 0) badInput(this.path, `a file of more than ${position + done} bytes`, 'its end');
      done += bytesRead;
    }
    return bytes;
  }
}

/** Compares the checksum of `data` with the one that stands at `offset` of `stored`. */
function verify(data: Uint8Array, stored: Uint8Array, offset: number, where: string): void {
  const expected = view(stored).getUint32(offset, true);
  const got = maskedCrc32c(data);
  if (got !== expected) badInput(where, `data of CRC-32C ${hexadecimal(expected)}`, hexadecimal(got));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const hexadecimal = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
