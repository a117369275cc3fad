/**
 * 16-bit floats against arithmetic written out here from the definition of the formats, over all 65,536 values, and
 * against numpy and torch by digest (scripts/golden/safetensors.py).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from '../../src/support/float16.ts';

const golden = JSON.parse(readFileSync('test/golden/checkpoint/float16.json', 'utf8')) as Record<
  string,
  string
>;

interface Format {
  readonly exponentBits: number;
  readonly fractionBits: number;
  readonly widen: (source: Uint16Array) => Float32Array;
  readonly narrow: (source: Float32Array) => Uint16Array;
}

const formats: Readonly<Record<string, Format>> = {
  binary16: {
    exponentBits: 5,
    fractionBits: 10,
    widen: (s) => float16ToFloat32(s),
    narrow: (s) => float32ToFloat16(s),
  },
  bfloat16: {
    exponentBits: 8,
    fractionBits: 7,
    widen: (s) => bfloat16ToFloat32(s),
    narrow: (s) => float32ToBfloat16(s),
  },
};

const everyPattern = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

/** The value of a bit pattern by the definition: (-1)^s x 2^(e - bias) x 1.f, or 0.f x 2^(1 - bias). */
function valueOf(bits: number, { exponentBits, fractionBits }: Format): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

function digest(values: Float32Array | Uint16Array): string {
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}

/** The floats around a rounding decision: every upper half, with lower halves on and beside all ties. */
function decisiveFloats(): Float32Array {
  const lows = [0, 1, 0x0fff, 0x1000, 0x1001, 0x2000, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff];
  const bits = new Uint32Array(0x10000 * lows.length);
  for (let high = 0; high < 0x10000; high++) {
    for (const [i, low] of lows.entries()) bits[high * lows.length + i] = ((high << 16) | low) >>> 0;
  }
  return new Float32Array(bits.buffer);
}

describe.each(Object.entries(formats))('%s', (_, format) => {
  it('widens every bit pattern to its value', () => {
    const widened = format.widen(everyPattern);
    const wrong = [...everyPattern].filter((bits) => !Object.is(widened[bits], valueOf(bits, format)));
    expect(wrong).toEqual([]);
  });

  it('returns from 32 bits to the same pattern, NaN payloads included', () => {
    expect(format.narrow(format.widen(everyPattern))).toEqual(everyPattern);
  });

  it('rounds to nearest between any two neighbours, and ties to the even one', () => {
    const wrong: number[] = [];
    const infinity = 0x7fff - (2 ** format.fractionBits - 1);
    const view = new DataView(new ArrayBuffer(4));
    for (let bits = 0; bits < infinity; bits++) {
      const low = valueOf(bits, format);
      // Past the largest value, the format goes on as if its exponents did, and what rounds there is infinity.
      const high = bits + 1 === infinity ? 2 * low - valueOf(bits - 1, format) : valueOf(bits + 1, format);
      const tie = (low + high) / 2;
      view.setFloat32(0, tie);
      const tieBits = view.getUint32(0);
      const floats = Uint32Array.of(tieBits - 1, tieBits, tieBits + 1);
      const positive = format.narrow(new Float32Array(floats.buffer));
      const even = bits % 2 === 0 ? bits : bits + 1;
      const negative = format.narrow(new Float32Array(floats.map((b) => b | 0x80000000).buffer));
      const expected = [bits, even, bits + 1];
      if (!expected.every((e, i) => positive[i] === e && negative[i] === (e | 0x8000))) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('keeps a NaN a NaN, whatever its payload', () => {
    const signalling = new Float32Array(
      Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffc00000).buffer,
    );
    const narrowed = [...format.narrow(signalling)];
    expect(narrowed.map((bits) => valueOf(bits, format))).toEqual([NaN, NaN, NaN, NaN]);
    expect(narrowed.map((bits) => bits >> 15)).toEqual([0, 1, 0, 1]);
  });

  it('refuses an output of another length', () => {
    expect(() =>
      float16ToFloat32(new Uint16Array(3), new Float32Array(4)),
    ).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: 16-bit floats: expected an output of 3 values, got 4]`,
    );
  });
});

describe('numpy and torch', () => {
  it('widen as ours do', () => {
    expect(digest(float16ToFloat32(everyPattern))).toBe(golden['float16ToFloat32']);
    expect(digest(bfloat16ToFloat32(everyPattern))).toBe(golden['bfloat16ToFloat32']);
  });

  it('narrow as ours do, numpy NaNs too', () => {
    const floats = decisiveFloats();
    expect(digest(float32ToFloat16(floats))).toBe(golden['float32ToFloat16']);
    // torch makes one NaN of all; ours keep their sign and payload.
    const numbers = floats.filter((value) => !Number.isNaN(value));
    expect(digest(float32ToBfloat16(numbers))).toBe(golden['float32ToBfloat16WithoutNaN']);
  });
});

it('writes into the part of a buffer it is given', () => {
  const flat = new Float32Array(5).fill(9);
  float16ToFloat32(Uint16Array.of(0x3c00, 0xc000), flat.subarray(1, 3));
  bfloat16ToFloat32(Uint16Array.of(0x3f80), flat.subarray(4));
  expect([...flat]).toEqual([9, 1, -2, 9, 1]);
});
