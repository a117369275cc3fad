/**
 * CRC-32C (Castagnoli), the checksum of iSCSI, and its masked form in the files of TensorFlow and LevelDB.
 *
 * Reference: RFC 3720, appendix B.4; `tensorflow/core/lib/hash/crc32c.h` for the mask.
 */
import crc32cTable from 'crc-32/crc32c.js';

/** Added by the mask after the rotation. */
const MASK_DELTA = 0xa282ead8;

/**
 * The checksum as an unsigned number. Long data can be given in parts:
 *
 *     crc32c(ab) === crc32c(b, crc32c(a))
 *
 * @param seed the checksum of what came before
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return crc32cTable.buf(bytes, seed | 0) >>> 0;
}

/** The checksum as it is stored beside data that may itself hold checksums: rotated right by 15 bits, plus a constant. */
export function maskedCrc32c(bytes: Uint8Array): number {
  return maskCrc32c(crc32c(bytes));
}

/** The mask alone, for a checksum that was computed in parts. */
export function maskCrc32c(checksum: number): number {
  return (((checksum >>> 15) | (checksum << 17)) + MASK_DELTA) >>> 0;
}
