/** Runs a graph in the engine, from and to the float64 arrays of the references. */
import type { DType, Tensor } from '../../src/graph/index.ts';
import { compile, type CompileOptions, type HostData, type HostTensor } from '../../src/runtime/index.ts';
import type { DenseArray } from './dense-array.ts';

const FROM_NUMBERS: Readonly<Record<DType, (numbers: Float64Array) => HostData>> = {
  float32: (numbers) => Float32Array.from(numbers),
  int32: (numbers) => Int32Array.from(numbers),
  int64: (numbers) => BigInt64Array.from(Array.from(numbers, BigInt)),
  int8: (numbers) => Int8Array.from(numbers),
  uint8: (numbers) => Uint8Array.from(numbers),
  bool: (numbers) => Uint8Array.from(numbers),
};

export function toHost(dtype: DType, { shape, data }: DenseArray): HostTensor {
  return { data: FROM_NUMBERS[dtype](data), shape };
}

export function fromHost({ shape, data }: HostTensor): DenseArray {
  return { shape, data: Float64Array.from(data as Float32Array, Number) };
}

/** Compiles the results, runs them once on one thread, and frees the program. Feeds that it does not take are left out. */
export async function runOnEngine<Name extends string>(
  results: Readonly<Record<Name, Tensor>>,
  feeds: Readonly<Record<string, DenseArray>>,
  options: CompileOptions = { threads: 1 },
): Promise<Record<Name, DenseArray>> {
  const program = await compile(results, options);
  try {
    const fed = program.inputs.map(({ name, dtype }) => [name, toHost(dtype, feeds[name]!)]);
    const values = await program.run(Object.fromEntries(fed) as Record<string, HostTensor>);
    const read = Object.entries<HostTensor>(values).map(([name, value]) => [name, fromHost(value)]);
    return Object.fromEntries(read) as Record<Name, DenseArray>;
  } finally {
    await program.release();
  }
}

/** The largest difference, as a part of the largest number expected. */
export function relativeError(got: DenseArray, expected: DenseArray): number {
  if (got.shape.join() !== expected.shape.join()) {
    throw new Error(`expected an array [${expected.shape.join(', ')}], got [${got.shape.join(', ')}]`);
  }
  let difference = 0;
  let largest = 0;
  expected.data.forEach((value, i) => {
    const distance = Math.abs(value - got.data[i]!);
    difference = Number.isNaN(distance) ? Infinity : Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(value));
  });
  return difference === 0 ? 0 : difference / largest;
}
