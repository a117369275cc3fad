/**
 * A question-answering BERT ready to run: windows of pieces in, start and end logits out. Knows no file system, so that
 * it serves a page in the browser as well; `model-loading.ts` makes one from a directory.
 */
import type { BertConfig } from '../bert/config.ts';
import { bertForQuestionAnswering, bertInputs } from '../bert/model.ts';
import { firstNonFinite } from '../checkpoint/finite-check.ts';
import { quantizeRows } from '../checkpoint/quantized-matrix.ts';
import { Dropout, Parameters, type Parameter } from '../nn/index.ts';
import type { Int8Weight } from '../onnx/index.ts';
import { compile, type Feeds, type HostTensor, type Program } from '../runtime/index.ts';
import type { WindowLogits } from '../squad/index.ts';
import { padWindows, type WindowInput } from '../squad/question-batches.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { BertTokenizer } from '../tokenizers/index.ts';

/** What the linear layers multiply in; everything else is float32. */
export type Precision = 'float32' | 'int8';

export interface QuestionAnsweringWeights {
  readonly float32: ReadonlyMap<string, Float32Array>;
  /** Matrices of linear layers, with one scale a row; those that are here are not in `float32`. */
  readonly int8: ReadonlyMap<string, Int8Weight>;
}

export interface QuestionAnsweringModelParts {
  /** How errors call the model, such as its directory. */
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly weights: QuestionAnsweringWeights;
  /** Threads that work on one window; the engine's choice unless told. */
  readonly threads?: number;
  /** How many windows a small int8 model reads at a time, each with one thread; 1 unless told. */
  readonly lanes?: number;
  /** The numbers of the weights change between runs, as in training: all are fed where they lie, and none is packed. */
  readonly weightsChange?: boolean;
}

/**
 * Layers with more numbers than this make a large model. Its weights are not baked into the program, where they would be
 * in memory thrice, and all threads work on one window. The products of a smaller model are hardly worth dividing.
 */
const LARGE_MODEL = 2 ** 26;

type LogitsProgram = Program<'startLogits' | 'endLogits'>;

export class QuestionAnsweringModel {
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly precision: Precision;
  /** How many windows are read at a time. */
  readonly lanes: number;
  readonly #program: LogitsProgram;
  readonly #fedWeights: Feeds;

  private constructor(
    { name, config, tokenizer }: QuestionAnsweringModelParts,
    how: { readonly precision: Precision; readonly lanes: number },
    program: LogitsProgram,
    fedWeights: Feeds,
  ) {
    this.name = name;
    this.config = config;
    this.tokenizer = tokenizer;
    this.precision = how.precision;
    this.lanes = how.lanes;
    this.#program = program;
    this.#fedWeights = fedWeights;
  }

  /** @throws BertramError `bad-input` when vocabulary or token types do not fit the configuration */
  static async create(parts: QuestionAnsweringModelParts): Promise<QuestionAnsweringModel> {
    const { weights, threads, weightsChange = false } = parts;
    checkFit(parts);
    const precision = weights.int8.size > 0 ? 'int8' : 'float32';
    const isLarge = layerSize(weights) > LARGE_MODEL;
    const lanes = precision === 'int8' && !isLarge ? (parts.lanes ?? 1) : 1;
    const { parameters, logits } = questionAnsweringGraph(parts.config, { padded: precision === 'float32' });
    const { baked, fed } = divideWeights(weights.float32, isLarge || weightsChange);
    const program = await compile(logits, {
      int8Weights: weights.int8,
      constants: baked,
      ...(lanes > 1 ? { threads: 1 } : threads === undefined ? {} : { threads }),
    });
    const fedWeights: Record<string, HostTensor> = {};
    for (const { name, shape } of parameters) {
      const data = fed.get(name);
      if (data !== undefined) fedWeights[name] = { data, shape };
    }
    return new QuestionAnsweringModel(parts, { precision, lanes }, program, fedWeights);
  }

  /**
   * The logits of windows, each as if it were alone: padding and neighbours change nothing but rounding.
   *
   * In int8 windows do run alone, several at a time. The engine gives the activations of a whole batch one scale, by
   * which windows would change each other's logits; and on a processor batches are hardly faster.
   *
   * @returns for each window its start and end logits, without those of padding
   * @throws BertramError `failed` when a logit is not a finite number
   */
  async logits(windows: readonly WindowInput[]): Promise<WindowLogits[]> {
    if (this.precision === 'float32') return this.#runBatch(windows);
    const logits = new Array<WindowLogits>(windows.length);
    const waiting = windows.entries();
    const lane = async (): Promise<void> => {
      for (const [index, window] of waiting) logits[index] = (await this.#runBatch([window]))[0]!;
    };
    await Promise.all(Array.from({ length: this.lanes }, lane));
    return logits;
  }

  /** Frees the engine's memory. The model cannot run any more. */
  async release(): Promise<void> {
    await this.#program.release();
  }

  /** One run of the program, padded to the longest window. */
  async #runBatch(windows: readonly WindowInput[]): Promise<WindowLogits[]> {
    const { attention_mask, ...batch } = padWindows(windows, this.config.padTokenId);
    const mask = this.precision === 'float32' ? { attention_mask } : {};
    const { startLogits, endLogits } = await this.#program.run({ ...batch, ...mask, ...this.#fedWeights });
    const sequence = batch.input_ids.shape[1]!;
    return windows.map(({ inputIds: { length } }, row) => {
      const part = ({ data }: HostTensor): Float32Array =>
        (data as Float32Array).subarray(row * sequence, row * sequence + length);
      const own = { startLogits: part(startLogits), endLogits: part(endLogits) };
      this.#checkFinite('start', own.startLogits);
      this.#checkFinite('end', own.endLogits);
      return own;
    });
  }

  #checkFinite(what: string, logits: Float32Array): void {
    const index = firstNonFinite(logits);
    if (index < 0) return;
    throw new BertramError(
      'failed',
      `${this.name}: expected finite ${what} logits, got ${String(logits[index])} at piece ${index}`,
    );
  }
}

/** The inference graph, and the parameters it declares. Where batches are never padded it takes no `attention_mask`. */
export function questionAnsweringGraph(config: BertConfig, options?: { readonly padded: boolean }) {
  const parameters = new Parameters();
  const dropout = new Dropout({ training: false });
  const inputs = bertInputs(options);
  const { startLogits, endLogits } = bertForQuestionAnswering(parameters, config, inputs, dropout);
  return { parameters: parameters.all, logits: { startLogits, endLogits } };
}

/** Whether int8 pays for a parameter: the matrix of a linear layer, but not of the head, which has two rows. */
export function isQuantizable({ name, shape }: Pick<Parameter, 'name' | 'shape'>): boolean {
  return shape.length === 2 && !name.startsWith('bert.embeddings.') && !name.startsWith('qa_outputs.');
}

const isEmbedding = (name: string): boolean => name.startsWith('bert.embeddings.');

/** How many numbers all layers have. */
function layerSize({ float32, int8 }: QuestionAnsweringWeights): number {
  let size = 0;
  for (const [name, { length }] of float32) if (!isEmbedding(name)) size += length;
  for (const { values } of int8.values()) size += values.length;
  return size;
}

/**
 * Which weights are baked into the program, which packs them for its kernels once, and which are fed where they lie:
 * the embeddings, whose rows are only looked up, and the layers of large models, that gain a twentieth of their speed.
 */
function divideWeights(weights: ReadonlyMap<string, Float32Array>, feedAll: boolean) {
  const baked = new Map<string, Float32Array>();
  const fed = new Map<string, Float32Array>();
  for (const [name, values] of weights) {
    const target = isEmbedding(name) || feedAll ? fed : baked;
    target.set(name, values);
  }
  return { baked, fed };
}

/** Float weights with every matrix that {@link isQuantizable} turned to int8. */
export function quantizeWeights(
  weights: ReadonlyMap<string, Float32Array>,
  parameters: readonly Parameter[],
): QuestionAnsweringWeights {
  const float32 = new Map(weights);
  const int8 = new Map<string, Int8Weight>();
  for (const parameter of parameters) {
    const values = float32.get(parameter.name);
    if (values === undefined || !isQuantizable(parameter)) continue;
    const [rows, columns] = parameter.shape as readonly [number, number];
    int8.set(parameter.name, quantizeRows(values, rows, columns));
    float32.delete(parameter.name);
  }
  return { float32, int8 };
}

function checkFit({ name, config, tokenizer }: QuestionAnsweringModelParts): void {
  const { size } = tokenizer.vocabulary;
  if (size > config.vocabSize) {
    badInput(`${name}: vocabulary`, `at most the ${config.vocabSize} entries of vocab_size`, `${size}`);
  }
  if (config.padTokenId >= config.vocabSize) {
    badInput(`${name}: pad_token_id`, `an id below vocab_size ${config.vocabSize}`, `${config.padTokenId}`);
  }
  if (config.typeVocabSize < 2) {
    badInput(`${name}: type_vocab_size`, '2 or more, for question and context', `${config.typeVocabSize}`);
  }
}
