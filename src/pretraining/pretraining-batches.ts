/**
 * Pretraining examples as batches: padded to the longest, and the masked places of all sequences in one row, so that
 * nothing is computed for the predictions that a sequence has less than another.
 */
import type { HostTensor } from '../runtime/index.ts';
import type { TrainingBatch, TrainingData } from '../training/index.ts';
import type { PretrainingExample, PretrainingExamples } from './example.ts';

/** Examples as a trainer reads them. */
export function pretrainingData(examples: PretrainingExamples, padTokenId: number): TrainingData {
  return {
    lengths: examples.lengths,
    sha256: examples.sha256,
    collate: (indices) =>
      pretrainingBatch(
        Array.from(indices, (index) => examples.read(index)),
        padTokenId,
      ),
  };
}

/**
 * The inputs of `pretrainingObjective`. With sequences of 5 and 7 pieces, place 3 of the first and places 1 and 6 of the
 * second are rows 3, 7 + 1 = 8 and 7 + 6 = 13 of `masked_lm_positions`.
 */
export function pretrainingBatch(examples: readonly PretrainingExample[], padTokenId: number): TrainingBatch {
  const batch = examples.length;
  const sequence = Math.max(...examples.map(({ inputIds }) => inputIds.length));
  const predictions = examples.reduce((sum, { maskedLmIds }) => sum + maskedLmIds.length, 0);
  const inputIds = new Int32Array(batch * sequence).fill(padTokenId);
  const tokenTypeIds = new Int32Array(batch * sequence);
  const attentionMask = new Int32Array(batch * sequence);
  const positions = new Int32Array(predictions);
  const labels = new Int32Array(predictions);
  let prediction = 0;
  examples.forEach((example, row) => {
    const begin = row * sequence;
    const end = begin + example.inputIds.length;
    inputIds.set(example.inputIds, begin);
    tokenTypeIds.fill(1, begin + example.secondSegment, end);
    attentionMask.fill(1, begin, end);
    labels.set(example.maskedLmIds, prediction);
    for (const position of example.maskedLmPositions) positions[prediction++] = begin + position;
  });
  const tokens = (data: Int32Array): HostTensor => ({ data, shape: [batch, sequence] });
  return {
    feeds: {
      input_ids: tokens(inputIds),
      token_type_ids: tokens(tokenTypeIds),
      attention_mask: tokens(attentionMask),
      masked_lm_positions: { data: positions, shape: [predictions] },
      masked_lm_ids: { data: labels, shape: [predictions] },
      masked_lm_weights: { data: new Float32Array(predictions).fill(1), shape: [predictions] },
      next_sentence_labels: {
        data: Int32Array.from(examples, ({ nextSentenceLabel }) => nextSentenceLabel),
        shape: [batch],
      },
    },
    sizes: new Map([
      ['B', batch],
      ['S', sequence],
      ['P', predictions],
    ]),
  };
}
