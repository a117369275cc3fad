/**
 * Processes that share one piece of work, in the terms of MPI: each has a rank, and all of them call the same
 * operations in the same order. What a single process does is what one rank of one would do.
 */

/** Cuts an array into one slice for each rank: slice r is `bounds[r]` to `bounds[r + 1]`, and slices may be empty. */
export type SliceBounds = readonly number[];

export interface Communicator {
  /** 0 to `size` - 1. */
  readonly rank: number;
  readonly size: number;
  /** Replaces every number by its sum over all ranks, in place. All ranks get the same bits. */
  allReduceSum(values: Float32Array | Float64Array): Promise<void>;
  /** Fills the array of every other rank with that of one. */
  broadcast(values: Float32Array | Uint8Array, from?: number): Promise<void>;
  /**
   * Sums like `allReduceSum`, but each rank gets its own slice only; what it finds in the others is of no use. With
   * bounds [0, 3, 5], rank 1 finds the sums of numbers 3 and 4 there.
   */
  reduceScatterSum(values: Float32Array, bounds: SliceBounds): Promise<void>;
  /** Fills every slice of the array with that of the rank it belongs to. */
  allGather(values: Float32Array, bounds: SliceBounds): Promise<void>;
  /** The bytes of all ranks, by rank; they may differ in length. */
  gatherBytes(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Returns when all ranks have come here. */
  barrier(): Promise<void>;
  /** Leaves, when all is done. */
  close(): Promise<void>;
}

/** A process that works alone. */
export const singleProcess: Communicator = {
  rank: 0,
  size: 1,
  allReduceSum: () => Promise.resolve(),
  broadcast: () => Promise.resolve(),
  reduceScatterSum: () => Promise.resolve(),
  allGather: () => Promise.resolve(),
  gatherBytes: (bytes) => Promise.resolve([bytes]),
  barrier: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** Slices of about equal length that begin at multiples of `alignment`: 100 numbers for 3 ranks by 16 are 48, 48 and 4. */
export function evenBounds(length: number, size: number, alignment: number): number[] {
  const slice = Math.ceil(length / size / alignment) * alignment;
  return Array.from({ length: size + 1 }, (_, rank) => Math.min(length, rank * slice));
}
