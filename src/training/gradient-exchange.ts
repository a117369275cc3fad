/**
 * How gradients and new values travel between ranks at an update.
 *
 * Either every rank gets all sums and updates everything, or (ZeRO, Rajbhandari et al., SC 2020, stage 1) each gets the
 * sums of its slice of the flat arrays, updates the slice, with moments that nobody else has, and then all get all
 * slices. As many numbers travel both ways: an all-reduce is a reduce-scatter and an all-gather.
 */
import { evenBounds, type Communicator } from '../distributed/index.ts';

/** Slices begin where vector instructions are fastest, at multiples of 64 bytes. */
const ALIGNMENT = 16;

/** Numbers `begin` to `end` - 1 of the flat arrays. */
export interface Slice {
  readonly begin: number;
  readonly end: number;
}

/** Its slice is what this rank updates. */
export interface GradientExchange extends Slice {
  /**
   * Adds up the gradients of all ranks.
   *
   * @returns the sums of this rank's part: a view of the array it was given, which is of no other use then
   */
  sum(gradients: Float32Array): Promise<Float32Array>;
  /** Of what each rank has found of its part, the sum over all parts. */
  total(ofPart: number): Promise<number>;
  /** Gives every rank the new values of all parts. */
  spread(values: Float32Array): Promise<void>;
}

/** @param length of the flat arrays */
export function gradientExchange(ranks: Communicator, length: number, sharded: boolean): GradientExchange {
  return sharded && ranks.size > 1 ? bySlices(ranks, length) : everything(ranks, length);
}

/** Sums have the same bits on all ranks, and so have the values that are computed of them. */
function everything(ranks: Communicator, length: number): GradientExchange {
  return {
    begin: 0,
    end: length,
    async sum(gradients) {
      await ranks.allReduceSum(gradients);
      return gradients;
    },
    total: (ofPart) => Promise.resolve(ofPart),
    spread: () => Promise.resolve(),
  };
}

function bySlices(ranks: Communicator, length: number): GradientExchange {
  const bounds = evenBounds(length, ranks.size, ALIGNMENT);
  const [begin, end] = [bounds[ranks.rank]!, bounds[ranks.rank + 1]!];
  return {
    begin,
    end,
    async sum(gradients) {
      await ranks.reduceScatterSum(gradients, bounds);
      return gradients.subarray(begin, end);
    },
    async total(ofPart) {
      const sum = Float64Array.of(ofPart);
      await ranks.allReduceSum(sum);
      return sum[0]!;
    },
    spread: (values) => ranks.allGather(values, bounds),
  };
}
