/**
 * A pretraining example: what `bertram prepare` writes and `bertram pretrain` reads, whichever container it lies in.
 *
 * Source: `TrainingInstance` of google-research/bert `create_pretraining_data.py`.
 */

/** Vocabulary ids or places: 16 bits where the vocabulary has at most 65,536 entries. */
export type PieceArray = Uint16Array | Int32Array;

/** One pretraining example as it was masked. */
export interface PretrainingExample {
  /** `[CLS] A [SEP] B [SEP]` with masking applied, unpadded: [S]. */
  readonly inputIds: PieceArray;
  /** Where the second segment begins: token_type_ids are 0 before it and 1 from it on. */
  readonly secondSegment: number;
  /** Places of the masked pieces, ascending: [P], P <= max_predictions_per_seq. */
  readonly maskedLmPositions: PieceArray;
  /** What stood there: [P]. */
  readonly maskedLmIds: PieceArray;
  /** 1 where B is from another document (the label of next-sentence prediction), else 0. */
  readonly nextSentenceLabel: 0 | 1;
}

/**
 * Random access to all examples of a directory. Reading is synchronous (positioned reads), so that it can happen while
 * a batch is put together.
 */
export interface PretrainingExamples {
  readonly size: number;
  /** Pieces of each example: [size]. */
  readonly lengths: Uint16Array;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  /** SHA-256, in hexadecimal digits, of the vocabulary (the text of vocab.txt with LF ends) that the ids belong to. */
  readonly vocabularySha256: string;
  /** Of all examples in their order, in hexadecimal digits. */
  readonly sha256: string;
  read(index: number): PretrainingExample;
  close(): void;
}
