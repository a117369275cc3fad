/**
 * Contextual features of texts, as google-research/bert's `extract_features.py` gives them: chosen hidden states of
 * every token, or one vector a text. Texts stream in and features stream out, in the order of the texts. Needs Node.
 */
import type { BertSequence } from '../bert/index.ts';
import { badInput } from '../support/errors.ts';
import { truncatedInput, type TextOrPair, type TruncatedInput } from '../tokenizers/index.ts';
import { FeatureModel, type FeatureModelOptions, type SequenceStates } from './feature-model.ts';
import { batchesByLength } from './window-reading.ts';

export interface FeatureOptions extends FeatureModelOptions {
  /** Pieces of a text that are read, special tokens included; the rest is cut. */
  readonly maxSeqLength?: number;
  /** The most texts in a batch. */
  readonly batchSize?: number;
}

/** Features of one text of S pieces. */
export interface TextFeatures {
  /** [S], `[CLS]` and `[SEP]` among them. */
  readonly inputIds: Int32Array;
  readonly tokens: readonly string[];
  /** Pieces that did not fit. */
  readonly cutPieces: number;
  /** In the order asked for: [S, H] row by row, or [H] where they are pooled. */
  readonly layers: readonly { readonly index: number; readonly values: Float32Array }[];
}

/** Pieces of texts that are sorted by length together. Their features are what is in memory at a time. */
const CHUNK_PIECES = 8192;
const DEFAULT_MAX_SEQ_LENGTH = 128;

export class FeatureExtractor {
  readonly model: FeatureModel;
  readonly #maxSeqLength: number;
  readonly #batchSize: number | undefined;

  private constructor(model: FeatureModel, maxSeqLength: number, batchSize: number | undefined) {
    this.model = model;
    this.#maxSeqLength = maxSeqLength;
    this.#batchSize = batchSize;
  }

  /** @throws BertramError as {@link FeatureModel.load} does, and `bad-input` for a length that the model does not have */
  static async load(options: FeatureOptions = {}): Promise<FeatureExtractor> {
    const model = await FeatureModel.load(options);
    const { maxPositionEmbeddings } = model.config;
    const length = options.maxSeqLength ?? Math.min(DEFAULT_MAX_SEQ_LENGTH, maxPositionEmbeddings);
    if (length > maxPositionEmbeddings) {
      badInput('max_seq_length', `at most the model's ${maxPositionEmbeddings} positions`, `${length}`);
    }
    return new FeatureExtractor(model, length, options.batchSize);
  }

  /** The features of texts, or of pairs of them. */
  async *extract(
    texts: Iterable<TextOrPair> | AsyncIterable<TextOrPair>,
  ): AsyncGenerator<TextFeatures, void, undefined> {
    let chunk: TruncatedInput[] = [];
    let pieces = 0;
    for await (const text of texts) {
      const input = truncatedInput(this.model.tokenizer, text, this.#maxSeqLength);
      chunk.push(input);
      pieces += input.inputIds.length;
      if (pieces < CHUNK_PIECES) continue;
      yield* this.#featuresOf(chunk);
      [chunk, pieces] = [[], 0];
    }
    yield* this.#featuresOf(chunk);
  }

  /** Frees the engine's memory. The extractor cannot run any more. */
  async release(): Promise<void> {
    await this.model.release();
  }

  async *#featuresOf(inputs: readonly TruncatedInput[]): AsyncGenerator<TextFeatures, void, undefined> {
    const states = await statesInOrder(this.model, inputs, this.#batchSize);
    for (const [i, { inputIds, cutPieces }] of inputs.entries()) {
      yield {
        inputIds,
        tokens: this.model.tokenizer.tokensOf(inputIds),
        cutPieces,
        layers: states[i]!.map((values, place) => ({ index: this.model.layers[place]!, values })),
      };
    }
  }
}

/** Runs batches of like length, so that little is padded. */
async function statesInOrder(
  model: FeatureModel,
  sequences: readonly BertSequence[],
  batchSize: number | undefined,
): Promise<SequenceStates[]> {
  const states = new Array<SequenceStates>(sequences.length);
  for (const batch of batchesByLength(sequences, batchSize === undefined ? {} : { batchSize })) {
    const results = await model.states(batch.map((index) => sequences[index]!));
    batch.forEach((index, row) => (states[index] = results[row]!));
  }
  return states;
}
