/** Typed arrays that grow: a copy with more room, for owners who keep track of how much is in use. */

type Numbers = Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** The array itself if it has room for `needed` numbers, else a copy with at least twice the room, zeros at its end. */
export function withRoom<Array extends Numbers>(array: Array, needed: number): Array {
  if (needed <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => Array)(Math.max(needed, 2 * array.length));
  larger.set(array);
  return larger;
}
