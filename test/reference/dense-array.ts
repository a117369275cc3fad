/** Arrays of float64 with a shape, and the few loops over them that the references share. */

/** Numbers of any data type, held as float64, in row-major order. */
export interface DenseArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

export function zeros(shape: readonly number[]): DenseArray {
  return { shape, data: new Float64Array(sizeOf(shape)) };
}

export function map(x: DenseArray, f: (value: number) => number): DenseArray {
  return { shape: x.shape, data: x.data.map(f) };
}

/** Numpy's broadcasting rule. */
export function broadcastShapes(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x !== y && x !== 1 && y !== 1)
      throw new Error(`[${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/**
 * For each place of an array of shape `to`, the place it reads from in an array of shape `from` broadcast to it: from
 * [2, 1] to [2, 3] is 0 0 0 1 1 1.
 */
export function broadcastPlaces(from: readonly number[], to: readonly number[]): Int32Array {
  const strides = new Array<number>(to.length).fill(0);
  let stride = 1;
  for (let axis = from.length - 1; axis >= 0; axis--) {
    const place = axis + to.length - from.length;
    if (from[axis] !== 1) strides[place] = stride;
    if (from[axis] !== 1 && from[axis] !== to[place]) {
      throw new Error(`[${from.join(', ')}] does not broadcast to [${to.join(', ')}]`);
    }
    stride *= from[axis]!;
  }
  return stridedPlaces(to, strides);
}

/** For each place of an array of this shape, the sum over its axes of index times stride. */
export function stridedPlaces(shape: readonly number[], strides: readonly number[]): Int32Array {
  let places = Int32Array.of(0);
  shape.forEach((size, axis) => {
    const next = new Int32Array(places.length * size);
    places.forEach((start, i) => {
      for (let j = 0; j < size; j++) next[i * size + j] = start + j * strides[axis]!;
    });
    places = next;
  });
  return places;
}

/** The distance between neighbours along each axis. */
export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** The array whose place i holds x's place `places[i]`. */
export function take(x: DenseArray, places: Int32Array, shape: readonly number[]): DenseArray {
  return { shape, data: Float64Array.from(places, (place) => x.data[place]!) };
}

/** Combines two arrays number by number, broadcasting them to one shape. */
export function zip(a: DenseArray, b: DenseArray, f: (x: number, y: number) => number): DenseArray {
  const shape = broadcastShapes(a.shape, b.shape);
  const fromA = broadcastPlaces(a.shape, shape);
  const fromB = broadcastPlaces(b.shape, shape);
  return { shape, data: Float64Array.from(fromA, (place, i) => f(a.data[place]!, b.data[fromB[i]!]!)) };
}

/** Runs over the last axis: each row is a view into the array. */
export function rowsOf({ shape, data }: DenseArray): Float64Array[] {
  const columns = shape.at(-1)!;
  return Array.from({ length: data.length / columns }, (_, i) =>
    data.subarray(i * columns, (i + 1) * columns),
  );
}
