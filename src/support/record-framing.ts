/**
 * The framing of TensorFlow's record files: records of any bytes, each with its length and the masked CRC-32C of both.
 *
 *     length (8 bytes, little-endian) | checksum of the length (4) | data | checksum of the data (4)
 *
 * Reference: `tensorflow/core/lib/io/record_writer.h`.
 */
import { maskedCrc32c } from './crc32c.ts';

export const LENGTH_BYTES = 8;
export const CHECKSUM_BYTES = 4;
/** What stands before the data. */
export const HEADER_BYTES = LENGTH_BYTES + CHECKSUM_BYTES;

/** A record as it stands in the file. */
export function framedRecord(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + data.length + CHECKSUM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(LENGTH_BYTES, maskedCrc32c(bytes.subarray(0, LENGTH_BYTES)), true);
  bytes.set(data, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + data.length, maskedCrc32c(data), true);
  return bytes;
}
