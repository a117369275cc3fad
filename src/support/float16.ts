/**
 * The two 16-bit floats of weight files, IEEE binary16 (F16) and bfloat16 (BF16), to and from 32-bit floats.
 *
 * All four directions work on bit patterns, so that every value, subnormals, infinities and NaN payloads included,
 * survives the way to 32 bits and back; narrowing rounds to the nearest value, ties to even.
 * Reference: IEEE 754-2019, and `npy_floatbits_to_halfbits` of numpy for what becomes of NaNs.
 */
import { badInput } from './errors.ts';

const FLOAT32_INFINITY = 0x7f800000;
const FLOAT16_INFINITY = 0x7c00;
/** The bits of 65520, halfway from the largest binary16, 65504, to 2^16: from here on everything rounds to infinity. */
const FLOAT16_OVERFLOW = 0x477ff000;
/** The bits of 2^-14, the smallest normal binary16. */
const FLOAT16_SMALLEST_NORMAL = 0x38800000;

let float16Table: Uint32Array | undefined;

/** The bits of the 32-bit float equal to each binary16. */
function float16ToFloat32Table(): Uint32Array {
  if (float16Table === undefined) {
    float16Table = new Uint32Array(0x10000);
    for (let half = 0; half < 0x10000; half++) float16Table[half] = widenFloat16(half);
  }
  return float16Table;
}

function widenFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | FLOAT32_INFINITY | (fraction << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // A subnormal is fraction x 2^-24. Move its leading one to bit 10, where it is implied, and write the exponent out:
  // 0x001 moves by 10 and is 1.0 x 2^-24; 0x300 moves by 1 and is 1.5 x 2^-15.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/** The binary16 nearest to the 32-bit float of these bits. A NaN keeps its sign and the upper part of its payload. */
function narrowToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= FLOAT16_OVERFLOW) {
    if (magnitude <= FLOAT32_INFINITY) return sign | FLOAT16_INFINITY;
    return sign | FLOAT16_INFINITY | ((magnitude >>> 13) & 0x3ff || 1);
  }
  if (magnitude >= FLOAT16_SMALLEST_NORMAL) {
    // Rebias the exponent from 127 to 15, then drop 13 bits; a carry out of the fraction rightly raises the exponent.
    return sign | ((magnitude - (112 << 23) + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal: the significand in units of 2^-24. Below 2^-25 everything is zero, and shifts past 31 would wrap.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const odd = (significand >>> shift) & 1;
  return sign | ((significand + (1 << (shift - 1)) - 1 + odd) >>> shift);
}

function narrowToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > FLOAT32_INFINITY) return (bits >>> 16) & 0x7f ? bits >>> 16 : (bits >>> 16) | 1;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Widens binary16 bit patterns, exactly. Fills and returns `into`, which must be as long as `source`. */
export function float16ToFloat32(
  source: Uint16Array,
  into: Float32Array = new Float32Array(source.length),
): Float32Array {
  checkLengths(source.length, into.length);
  const bits = bitsOf(into);
  const table = float16ToFloat32Table();
  for (let i = 0; i < source.length; i++) bits[i] = table[source[i]!]!;
  return into;
}

/** Rounds to binary16, to nearest and ties to even; from 65520 on to infinity. Fills and returns `into`. */
export function float32ToFloat16(
  source: Float32Array,
  into: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  checkLengths(source.length, into.length);
  const bits = bitsOf(source);
  for (let i = 0; i < bits.length; i++) into[i] = narrowToFloat16(bits[i]!);
  return into;
}

/** Widens bfloat16 bit patterns, exactly. Fills and returns `into`, which must be as long as `source`. */
export function bfloat16ToFloat32(
  source: Uint16Array,
  into: Float32Array = new Float32Array(source.length),
): Float32Array {
  checkLengths(source.length, into.length);
  const bits = bitsOf(into);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  return into;
}

/** Rounds to bfloat16, to nearest and ties to even. Fills and returns `into`. */
export function float32ToBfloat16(
  source: Float32Array,
  into: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  checkLengths(source.length, into.length);
  const bits = bitsOf(source);
  for (let i = 0; i < bits.length; i++) into[i] = narrowToBfloat16(bits[i]!);
  return into;
}

function checkLengths(source: number, into: number): void {
  if (source !== into) badInput('16-bit floats', `an output of ${source} values`, `${into}`);
}
