/**
 * Matrices of 8-bit integers with one scale a row: value = integer x scale of its row, zero at zero.
 *
 * In a safetensors file `X.weight` is I8 of shape [rows, cols] and `X.weight_scale` F32 of shape [rows].
 * Reference: symmetric per-channel quantisation, section 2 of Krishnamoorthi, "Quantizing deep convolutional networks
 * for efficient inference", arXiv:1806.08342.
 */
import { badInput } from '../support/errors.ts';

export interface QuantizedMatrix {
  /** [rows x cols], row by row. */
  readonly values: Int8Array;
  /** [rows], positive and finite. */
  readonly scales: Float32Array;
  readonly shape: readonly [rows: number, cols: number];
}

/** What a quantised tensor's scales are called: `X.weight` has `X.weight_scale`. */
export const SCALE_SUFFIX = '_scale';

/** The smallest normal 32-bit float. Rows of zeros get it for a scale, so that no scale is ever zero or subnormal. */
const SMALLEST_SCALE = 2 ** -126;

/** Adding and subtracting 1.5 x 2^52 rounds a double below 2^51 to the nearest integer, ties to even. */
const ROUNDER = 1.5 * 2 ** 52;

/**
 * Quantises a matrix row by row: the largest magnitude of a row becomes `maxMagnitude`, the others are rounded to the
 * nearest step, ties to even. No value is off by more than half a step.
 *
 *     quantizeRows([0.5, -1, 0.25, 0], 1, 4) -> values [64, -127, 32, 0], scales [1 / 127]
 *
 * @param values [rows x cols]
 * @param maxMagnitude 1 to 127; 127 unless the kernels that will use the matrix need head room
 * @throws BertramError `bad-input` for values that are not finite, naming row and column
 */
export function quantizeRows(
  values: Float32Array,
  rows: number,
  cols: number,
  maxMagnitude = 127,
): QuantizedMatrix {
  checkLength('values', values.length, rows * cols);
  if (!Number.isInteger(maxMagnitude) || maxMagnitude < 1 || maxMagnitude > 127) {
    badInput('quantizeRows', 'a largest magnitude from 1 to 127', String(maxMagnitude));
  }
  const quantized = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * cols;
    const end = start + cols;
    let largest = 0;
    for (let i = start; i < end; i++) {
      const magnitude = Math.abs(values[i]!);
      // Written so that NaN, which compares with nothing, is caught as well.
      if (!(magnitude < Infinity))
        badInput(`row ${row}, column ${i - start}`, 'a finite value', String(values[i]));
      if (magnitude > largest) largest = magnitude;
    }
    const scale = Math.max(Math.fround(largest / maxMagnitude), SMALLEST_SCALE);
    scales[row] = scale;
    // Not a multiplication by 1 / scale, which rounds twice and now and then to the wrong neighbour.
    for (let i = start; i < end; i++) quantized[i] = values[i]! / scale + ROUNDER - ROUNDER;
  }
  return { values: quantized, scales, shape: [rows, cols] };
}

/**
 * The 32-bit floats nearest to integer x scale.
 *
 * @param into [rows x cols], filled and returned if given
 */
export function dequantizeRows(matrix: QuantizedMatrix, into?: Float32Array): Float32Array {
  const { values, scales, shape } = matrix;
  const [rows, cols] = shape;
  checkLength('values', values.length, rows * cols);
  checkLength('scales', scales.length, rows);
  const result = into ?? new Float32Array(values.length);
  checkLength('output', result.length, rows * cols);
  for (let row = 0; row < rows; row++) {
    const scale = scales[row]!;
    for (let i = row * cols, end = i + cols; i < end; i++) result[i] = values[i]! * scale;
  }
  return result;
}

function checkLength(what: string, got: number, expected: number): void {
  if (got !== expected) badInput(`quantized matrix: ${what}`, `${expected} elements`, String(got));
}
