/** Texts to classes, by a model that `bertram classify train` made or any `BertForSequenceClassification`. Needs Node. */
import { padSequences } from '../bert/index.ts';
import {
  classificationMetrics,
  classifierLogits,
  labelIds,
  parseClassifierHead,
  type ClassificationMetrics,
  type LabelledText,
} from '../classification/index.ts';
import { badInput } from '../support/errors.ts';
import { truncatedInput, type TextOrPair, type TruncatedInput } from '../tokenizers/index.ts';
import { openModelDirectory } from './model-directory.ts';
import { ModelProgram, softmax } from './model-program.ts';
import { batchesByLength } from './window-reading.ts';

export interface TextClassifierOptions {
  /** A directory in Hugging Face layout. */
  readonly model: string;
  /** Pieces of a text that are read; as many as training read unless told. */
  readonly maxSeqLength?: number;
  /** Of the engine; one a core unless told. */
  readonly threads?: number;
}

export interface TextClassification {
  /** The likeliest class. */
  readonly label: string;
  /** Its probability. */
  readonly score: number;
  /** [C] probabilities, in the order of `labels`. */
  readonly scores: Float64Array;
  /** Pieces that did not fit. */
  readonly cutPieces: number;
}

const DEFAULT_MAX_SEQ_LENGTH = 128;
/** Texts that are sorted by length together. */
const CHUNK = 512;

export class TextClassifier {
  /** The classes' names, by id. */
  readonly labels: readonly string[];
  readonly #program: ModelProgram<'logits'>;
  readonly #maxSeqLength: number;

  private constructor(labels: readonly string[], program: ModelProgram<'logits'>, maxSeqLength: number) {
    this.labels = labels;
    this.#program = program;
    this.#maxSeqLength = maxSeqLength;
  }

  /** @throws BertramError with a line that names the file, for anything missing, malformed or not fitting together */
  static async load({ model, maxSeqLength, threads }: TextClassifierOptions): Promise<TextClassifier> {
    const { path, configText } = await openModelDirectory(model);
    const head = parseClassifierHead(configText, `${path}/config.json`);
    const program = await ModelProgram.load(
      (parameters, config, inputs, dropout) => ({
        logits: classifierLogits(head, parameters, config, inputs, dropout),
      }),
      { model, ...(threads === undefined ? {} : { threads }) },
    );
    const positions = program.config.maxPositionEmbeddings;
    const length = maxSeqLength ?? head.maxSeqLength ?? Math.min(DEFAULT_MAX_SEQ_LENGTH, positions);
    if (length > positions)
      badInput('max_seq_length', `at most the model's ${positions} positions`, `${length}`);
    return new TextClassifier(head.labels, program, length);
  }

  /** The classes of texts, or of pairs of them, in their order. */
  async *classify(
    texts: Iterable<TextOrPair> | AsyncIterable<TextOrPair>,
  ): AsyncGenerator<TextClassification, void, undefined> {
    let chunk: TruncatedInput[] = [];
    for await (const text of texts) {
      chunk.push(truncatedInput(this.#program.tokenizer, text, this.#maxSeqLength));
      if (chunk.length < CHUNK) continue;
      yield* await this.#classifyChunk(chunk);
      chunk = [];
    }
    yield* await this.#classifyChunk(chunk);
  }

  /**
   * Accuracy, F1 and the confusion matrix over labelled texts.
   *
   * @param onText called with what each text was put into
   * @throws BertramError `bad-input` for a label that is none of the classes
   */
  async evaluate(
    examples: readonly LabelledText[],
    onText: (text: TextClassification) => void = () => undefined,
  ): Promise<ClassificationMetrics> {
    const truth = labelIds(examples, this.labels, 'label');
    const predictions: number[] = [];
    for await (const text of this.classify(examples.map(({ text }) => text))) {
      predictions.push(this.labels.indexOf(text.label));
      onText(text);
    }
    return classificationMetrics(this.labels, truth, predictions);
  }

  /** Frees the engine's memory. The classifier cannot run any more. */
  async release(): Promise<void> {
    await this.#program.release();
  }

  async #classifyChunk(inputs: readonly TruncatedInput[]): Promise<TextClassification[]> {
    const results = new Array<TextClassification>(inputs.length);
    const classes = this.labels.length;
    for (const batch of batchesByLength(inputs)) {
      const members = batch.map((index) => inputs[index]!);
      const { logits } = await this.#program.run(padSequences(members, this.#program.config.padTokenId));
      batch.forEach((index, row) => {
        const scores = softmax(logits.subarray(row * classes, (row + 1) * classes));
        const best = scores.indexOf(Math.max(...scores));
        const { cutPieces } = inputs[index]!;
        results[index] = { label: this.labels[best]!, score: scores[best]!, scores, cutPieces };
      });
    }
    return results;
  }
}
