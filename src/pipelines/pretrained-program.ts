/**
 * A BERT with a head of pretraining, from a directory and ready to run: configuration, tokenizer, and the program with
 * its weights. Needs Node.
 */
import {
  bertConfigOf,
  bertInputs,
  loadBertParameters,
  type BertConfig,
  type BertInputs,
} from '../bert/index.ts';
import { firstNonFinite } from '../checkpoint/finite-check.ts';
import type { Tensor } from '../graph/index.ts';
import { Dropout, Parameters } from '../nn/index.ts';
import { compile, type Feeds, type Program } from '../runtime/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { BertTokenizer } from '../tokenizers/index.ts';
import { openModelDirectory } from './model-directory.ts';
import type { ModelLoadOptions } from './model-loading.ts';
import { loadTokenizer } from './model-tokenizer.ts';

/** Writes the graph of a model and its head: one result, the logits. */
export type LogitsGraph = (
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
) => Tensor;

/** Weights are float32; those that are stored as int8 are turned back. */
export type PretrainedLoadOptions = Omit<ModelLoadOptions, 'precision'>;

export class PretrainedProgram {
  /** How errors call the model: its directory. */
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly #program: Program<'logits'>;
  readonly #weights: Feeds;

  private constructor(
    name: string,
    config: BertConfig,
    tokenizer: BertTokenizer,
    program: Program<'logits'>,
    weights: Feeds,
  ) {
    this.name = name;
    this.config = config;
    this.tokenizer = tokenizer;
    this.#program = program;
    this.#weights = weights;
  }

  /**
   * @throws BertramError with a line that names the file, for anything missing, malformed or not fitting together; a
   *   model without the head is refused by the names of the parameters that it lacks
   */
  static async load(graph: LogitsGraph, options: PretrainedLoadOptions = {}): Promise<PretrainedProgram> {
    const directory = await openModelDirectory(options.model);
    const config = bertConfigOf(directory);
    const tokenizer = loadTokenizer(directory);
    const { size } = tokenizer.vocabulary;
    if (size > config.vocabSize) {
      badInput(
        `${directory.path}: vocabulary`,
        `at most the ${config.vocabSize} entries of vocab_size`,
        `${size}`,
      );
    }
    const declared = new Parameters();
    const logits = graph(declared, config, bertInputs(), new Dropout({ training: false }));
    const { parameters } = await loadBertParameters(directory, declared.all);
    const weights: Record<string, Feeds[string]> = {};
    for (const { name, shape } of declared.all) weights[name] = { data: parameters.get(name)!, shape };
    const { threads } = options;
    const program = await compile({ logits }, threads === undefined ? {} : { threads });
    return new PretrainedProgram(directory.path, config, tokenizer, program, weights);
  }

  /** @throws BertramError `failed` when a logit is not a finite number */
  async logits(feeds: Feeds): Promise<Float32Array> {
    const { logits } = await this.#program.run({ ...feeds, ...this.#weights });
    const values = logits.data as Float32Array;
    const index = firstNonFinite(values);
    if (index >= 0) {
      throw new BertramError('failed', `${this.name}: expected finite logits, got ${String(values[index])}`);
    }
    return values;
  }

  /** Frees the engine's memory. The model cannot run any more. */
  async release(): Promise<void> {
    await this.#program.release();
  }
}

/** Probabilities of logits: [n]. */
export function softmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const exponentials = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}
