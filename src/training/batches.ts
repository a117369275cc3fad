/**
 * Which examples make up which batch: a pure function of (seed, epoch), so that a run can be resumed at any batch.
 */
import { Random } from '../support/random.ts';

export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** In a new order each epoch; else in the order of the data. */
  readonly shuffle: boolean;
  /** Batches of examples of like length, so that little is padded. */
  readonly groupByLength: boolean;
}

/** The most batches sorted by length together, and the least groups of them, as in transformers' `get_length_grouped_indices`. */
const BATCHES_IN_GROUP = 50;
const GROUPS = 4;

/**
 * The batches of one epoch, as indices of examples. The last one drawn may be smaller.
 *
 * With `groupByLength` the shuffled examples are cut into groups of 50 batches, or fewer so that there are 4 groups, and
 * each group is sorted by length; examples of one length stay shuffled. The batches are then shuffled, so that lengths
 * do not come in waves; all but the first, which holds the longest example of all: if memory is too small, that shows
 * at once.
 */
export function epochBatches(
  lengths: ArrayLike<number>,
  epoch: number,
  options: BatchOptions,
): Uint32Array[] {
  const { batchSize, seed, shuffle, groupByLength } = options;
  const random = new Random(seed, `batches/epoch-${epoch}`);
  const order = Uint32Array.from({ length: lengths.length }, (_, index) => index);
  if (shuffle) random.shuffle(order);
  if (groupByLength) {
    const batchesInGroup = Math.min(BATCHES_IN_GROUP, Math.floor(order.length / (batchSize * GROUPS)));
    const groupSize = batchSize * Math.max(1, batchesInGroup);
    for (let begin = 0; begin < order.length; begin += groupSize) {
      order.subarray(begin, begin + groupSize).sort((a, b) => lengths[b]! - lengths[a]!);
    }
  }
  const batches: Uint32Array[] = [];
  for (let begin = 0; begin < order.length; begin += batchSize)
    batches.push(order.subarray(begin, begin + batchSize));
  if (groupByLength && shuffle) {
    random.shuffle(batches);
    const longest = batches.reduce(
      (best, batch, i) => (longestOf(batch, lengths) > longestOf(batches[best]!, lengths) ? i : best),
      0,
    );
    [batches[0], batches[longest]] = [batches[longest]!, batches[0]!];
  }
  return batches;
}

/** The length of the batch's longest example. */
export function longestOf(batch: Uint32Array, lengths: ArrayLike<number>): number {
  return batch.reduce((most, index) => Math.max(most, lengths[index]!), 0);
}
