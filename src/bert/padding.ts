/** Sequences of pieces as a batch: padded to the longest, and fed by the names of BERT's inputs. */

/** One model input without padding: S pieces, special tokens included. */
export interface BertSequence {
  /** [S] */
  readonly inputIds: Int32Array;
  /** [S] 0 for the first segment, 1 for the second. */
  readonly tokenTypeIds: Uint8Array;
}

interface Int32Matrix {
  readonly data: Int32Array;
  readonly shape: readonly number[];
}

/** `input_ids`, `token_type_ids` and `attention_mask`, each int32 [B, S]. */
export interface BertFeeds {
  readonly [name: string]: Int32Matrix;
  readonly input_ids: Int32Matrix;
  readonly token_type_ids: Int32Matrix;
  readonly attention_mask: Int32Matrix;
}

/**
 * @param length what to pad to, if not to the longest sequence
 */
export function padSequences(
  sequences: readonly BertSequence[],
  padTokenId: number,
  length?: number,
): BertFeeds {
  const longest = length ?? sequences.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0);
  const shape = [sequences.length, longest];
  const size = sequences.length * longest;
  const inputIds = new Int32Array(size).fill(padTokenId);
  const tokenTypeIds = new Int32Array(size);
  const attentionMask = new Int32Array(size);
  sequences.forEach((sequence, row) => {
    const begin = row * longest;
    inputIds.set(sequence.inputIds, begin);
    tokenTypeIds.set(sequence.tokenTypeIds, begin);
    attentionMask.fill(1, begin, begin + sequence.inputIds.length);
  });
  return {
    input_ids: { data: inputIds, shape },
    token_type_ids: { data: tokenTypeIds, shape },
    attention_mask: { data: attentionMask, shape },
  };
}
