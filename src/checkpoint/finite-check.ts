/** Finding what must not be among weights: NaN and the infinities. */

/** Values examined at a time before looking whether any was not finite. */
const BLOCK = 1 << 14;

/**
 * The index of the first NaN or infinity, or -1.
 *
 * x - x is 0 for every finite x and NaN for all others, and a NaN once in a sum stays there; four sums side by side keep
 * the additions from waiting for one another.
 */
export function firstNonFinite(values: Float32Array): number {
  for (let start = 0; start < values.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, values.length);
    if (isBlockFinite(values, start, end)) continue;
    for (let i = start; i < end; i++) if (!Number.isFinite(values[i])) return i;
  }
  return -1;
}

function isBlockFinite(values: Float32Array, start: number, end: number): boolean {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = start;
  for (; i + 3 < end; i += 4) {
    const w = values[i]!;
    const x = values[i + 1]!;
    const y = values[i + 2]!;
    const z = values[i + 3]!;
    a += w - w;
    b += x - x;
    c += y - y;
    d += z - z;
  }
  for (; i < end; i++) a += values[i]! - values[i]!;
  return a + b + c + d === 0;
}
