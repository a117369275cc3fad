/** CRC-32C against the vectors of RFC 3720, appendix B.4, and the mask against LevelDB's `crc32c_test.cc`. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, maskCrc32c, maskedCrc32c } from '../../src/support/crc32c.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const bytes32 = (byte: (i: number) => number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => byte(i));

/** A SCSI Read (10) command, from the RFC. */
const SCSI_READ = Uint8Array.from(
  '01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000'
    .replaceAll(' ', '')
    .match(/../g)!,
  (byte) => parseInt(byte, 16),
);

describe('crc32c', () => {
  it.each([
    ['nothing', new Uint8Array(), 0],
    ['"123456789"', ascii('123456789'), 0xe3069283],
    ['32 zeros', bytes32(() => 0), 0x8a9136aa],
    ['32 bytes of ones', bytes32(() => 0xff), 0x62a8ab43],
    ['32 bytes up', bytes32((i) => i), 0x46dd794e],
    ['32 bytes down', bytes32((i) => 31 - i), 0x113fdb5c],
    ['a SCSI read', SCSI_READ, 0xd9963a56],
  ])('of %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('can be computed in parts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
        expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(crc32c(bytes));
      }),
    );
  });
});

describe('maskedCrc32c', () => {
  /** The rotation in whole numbers, in a way of its own: by division instead of shifts. */
  const masked = (checksum: number): number =>
    (Math.floor(checksum / 2 ** 15) + (checksum % 2 ** 15) * 2 ** 17 + 0xa282ead8) % 2 ** 32;

  it('rotates and adds', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(maskedCrc32c(bytes)).toBe(masked(crc32c(bytes)));
      }),
    );
    // The length field of a TFRecord of 24 bytes: event files of TensorFlow begin with these twelve bytes.
    expect(maskedCrc32c(Uint8Array.of(24, 0, 0, 0, 0, 0, 0, 0))).toBe(0x224b7fa3);
    expect(maskCrc32c(crc32c(ascii('foo')))).not.toBe(crc32c(ascii('foo')));
  });
});
