/** 8-bit matrices against numpy (scripts/golden/safetensors.py), and the error bound they promise. */
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dequantizeRows, quantizeRows } from '../../src/checkpoint/quantized-matrix.ts';

interface Golden {
  readonly rows: number;
  readonly cols: number;
  readonly matrix: string;
  readonly cases: readonly {
    readonly maxMagnitude: number;
    readonly values: string;
    readonly scales: string;
    readonly dequantized: string;
  }[];
}

const golden = JSON.parse(readFileSync('test/golden/checkpoint/quantized.json', 'utf8')) as Golden;

function floats(hex: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(hex, 'hex')).buffer);
}

function integers(hex: string): Int8Array {
  return Int8Array.from(Buffer.from(hex, 'hex'));
}

describe.each(golden.cases)('to $maxMagnitude steps', (expected) => {
  const { rows, cols } = golden;
  const quantized = quantizeRows(floats(golden.matrix), rows, cols, expected.maxMagnitude);

  it('has the integers and scales of numpy', () => {
    expect(quantized.values).toEqual(integers(expected.values));
    expect(quantized.scales).toEqual(floats(expected.scales));
    expect(quantized.shape).toEqual([rows, cols]);
  });

  it('returns to the floats of numpy', () => {
    expect(dequantizeRows(quantized)).toEqual(floats(expected.dequantized));
    const flat = new Float32Array(rows * cols + 2).fill(7);
    const part = flat.subarray(1, -1);
    expect(dequantizeRows(quantized, part)).toBe(part);
    expect(flat.subarray(1, -1)).toEqual(floats(expected.dequantized));
    expect([flat[0], flat.at(-1)]).toEqual([7, 7]);
  });
});

it('is off by half a step at most, and never past the largest magnitude', () => {
  const value = fc.float({ noNaN: true, noDefaultInfinity: true });
  const row = fc.array(value, { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(row, fc.integer({ min: 1, max: 127 }), (values, maxMagnitude) => {
      const matrix = quantizeRows(Float32Array.from(values), 1, values.length, maxMagnitude);
      const scale = matrix.scales[0]!;
      expect(scale).toBeGreaterThan(0);
      for (const [i, original] of values.entries()) {
        expect(Math.abs(matrix.values[i]!)).toBeLessThanOrEqual(maxMagnitude);
        expect(Math.abs(matrix.values[i]! * scale - original)).toBeLessThanOrEqual(scale * (0.5 + 1e-5));
      }
    }),
  );
});

it('rounds ties to even, on both sides of zero', () => {
  const { values, scales } = quantizeRows(Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5), 1, 7);
  expect([...scales]).toEqual([1]);
  expect([...values]).toEqual([127, 0, 2, 2, 0, -2, -2]);
});

it('serves matrices without rows or columns', () => {
  expect(dequantizeRows(quantizeRows(new Float32Array(), 0, 5))).toEqual(new Float32Array());
  expect(dequantizeRows(quantizeRows(new Float32Array(), 5, 0))).toEqual(new Float32Array());
});

describe('refuses', () => {
  it.each([NaN, Infinity, -Infinity])('%s, with its place', (bad) => {
    const values = new Float32Array(12);
    values[7] = bad;
    expect(() => quantizeRows(values, 3, 4)).toThrow(`row 1, column 3: expected a finite value, got ${bad}`);
  });

  it('lengths and magnitudes that do not fit', () => {
    expect(() => quantizeRows(new Float32Array(11), 3, 4)).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: quantized matrix: values: expected 12 elements, got 11]`,
    );
    expect(() => quantizeRows(new Float32Array(12), 3, 4, 128)).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: quantizeRows: expected a largest magnitude from 1 to 127, got 128]`,
    );
    const matrix = quantizeRows(new Float32Array(12), 3, 4);
    expect(() => dequantizeRows(matrix, new Float32Array(11))).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: quantized matrix: output: expected 12 elements, got 11]`,
    );
    const scales = new Float32Array(4);
    expect(() => dequantizeRows({ ...matrix, scales })).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: quantized matrix: scales: expected 3 elements, got 4]`,
    );
  });
});
