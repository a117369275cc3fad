/** What a trainer trains on. */
import type { Feeds } from '../runtime/index.ts';

/** Examples that can be made into batches. */
export interface TrainingData {
  /** How long each example is, in tokens. */
  readonly lengths: ArrayLike<number>;
  /**
   * A batch of the examples with these indices, padded to one length.
   *
   * @param longest the length of the longest example of the batch that these are a rank's part of: where padding changes
   * the loss, all parts must be padded alike
   */
  readonly collate: (indices: Uint32Array, longest?: number) => TrainingBatch;
  /** Of all that is in the examples, so that a run is not resumed on others. */
  readonly sha256?: string;
}

export interface TrainingBatch {
  readonly feeds: Feeds;
  /** The sizes of the batch's letters, such as B and S. */
  readonly sizes: ReadonlyMap<string, number>;
}
