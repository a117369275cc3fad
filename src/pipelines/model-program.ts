/**
 * A BERT with some head, from a directory and ready to run: configuration, tokenizer, and the program with its weights.
 * Needs Node.
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

/** Writes the graph of a model and its head: its results by name, each float32. */
export type ModelGraph<Name extends string> = (
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
) => Readonly<Record<Name, Tensor>>;

/** Weights are float32; those that are stored as int8 are turned back. */
export type ModelProgramOptions = Omit<ModelLoadOptions, 'precision'>;

interface Parts {
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
}

export class ModelProgram<Name extends string> {
  /** How errors call the model: its directory. */
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly #program: Program<Name>;
  readonly #weights: Feeds;

  private constructor({ name, config, tokenizer }: Parts, program: Program<Name>, weights: Feeds) {
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
  static async load<Name extends string>(
    graph: ModelGraph<Name>,
    options: ModelProgramOptions = {},
  ): Promise<ModelProgram<Name>> {
    const directory = await openModelDirectory(options.model);
    const config = bertConfigOf(directory);
    const tokenizer = loadTokenizer(directory);
    const { size } = tokenizer.vocabulary;
    if (size > config.vocabSize) {
      const expected = `at most the ${config.vocabSize} entries of vocab_size`;
      badInput(`${directory.path}: vocabulary`, expected, `${size}`);
    }
    const declared = new Parameters();
    const outputs = graph(declared, config, bertInputs(), new Dropout({ training: false }));
    const { threads } = options;
    const program = await compile(outputs, threads === undefined ? {} : { threads });
    // What no result depends on, such as layers above the highest one asked for, need not be there.
    const used = new Set(program.inputs.map(({ name }) => name));
    const needed = declared.all.filter(({ name }) => used.has(name));
    const { parameters } = await loadBertParameters(directory, needed);
    const weights = Object.fromEntries(
      needed.map(({ name, shape }) => [name, { data: parameters.get(name)!, shape }]),
    );
    return new ModelProgram({ name: directory.path, config, tokenizer }, program, weights);
  }

  /**
   * @param feeds the graph's inputs besides its weights; those that no result depends on are left out
   * @throws BertramError `failed` when a number of a result is not finite
   */
  async run(feeds: Feeds): Promise<Record<Name, Float32Array>> {
    const used = this.#program.inputs.filter(({ name }) => Object.hasOwn(feeds, name));
    const ownFeeds = Object.fromEntries(used.map(({ name }) => [name, feeds[name]!]));
    const results = await this.#program.run({ ...ownFeeds, ...this.#weights });
    const named = this.#program.outputs.map(({ name }) => {
      const values = results[name as Name].data as Float32Array;
      const index = firstNonFinite(values);
      if (index >= 0) {
        const got = `${String(values[index])} in ${name}`;
        throw new BertramError('failed', `${this.name}: expected finite numbers, got ${got}`);
      }
      return [name, values];
    });
    return Object.fromEntries(named) as Record<Name, Float32Array>;
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
