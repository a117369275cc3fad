/** The encoder of a model directory as a program: padded batches in, the chosen hidden states out, pooled or not. Needs Node. */
import {
  bertConfigOf,
  bertEncoder,
  bertInputs,
  clsState,
  loadBertParameters,
  meanState,
  padSequences,
  type BertConfig,
  type BertSequence,
} from '../bert/index.ts';
import { firstNonFinite } from '../checkpoint/finite-check.ts';
import type { Tensor } from '../graph/index.ts';
import { Dropout, Parameters } from '../nn/index.ts';
import { compile, type Feeds, type Program } from '../runtime/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { BertTokenizer } from '../tokenizers/index.ts';
import { openModelDirectory } from './model-directory.ts';
import { loadTokenizer } from './model-tokenizer.ts';

export const poolings = ['none', 'cls', 'mean'] as const;
/** A state for each token, that of `[CLS]`, or the mean over the tokens, `[CLS]` and `[SEP]` among them. */
export type Pooling = (typeof poolings)[number];

export interface FeatureModelOptions {
  /** A directory in Hugging Face layout, with whatever head or none; the model that ships with the package unless told. */
  readonly model?: string;
  /**
   * Which hidden states, as transformers numbers them: 0 is the embeddings, 1 the first layer; -1 is the last layer,
   * -2 the one before. Negative numbers are also those of google-research/bert's `extract_features.py`, as is the
   * default: the last four, the last one first.
   */
  readonly layers?: readonly number[];
  readonly pooling?: Pooling;
  /** Of the engine; one a core unless told. */
  readonly threads?: number;
}

const DEFAULT_LAYERS = [-1, -2, -3, -4];

/** The chosen states of one sequence, in the order of `layers`: each [S, H], or [H] where they are pooled. */
export type SequenceStates = readonly Float32Array[];

export class FeatureModel {
  /** How errors call the model: its directory. */
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly layers: readonly number[];
  readonly pooling: Pooling;
  readonly #program: Program;
  readonly #weights: Feeds;

  private constructor(
    parts: Pick<FeatureModel, 'name' | 'config' | 'tokenizer' | 'layers' | 'pooling'>,
    program: Program,
    weights: Feeds,
  ) {
    this.name = parts.name;
    this.config = parts.config;
    this.tokenizer = parts.tokenizer;
    this.layers = parts.layers;
    this.pooling = parts.pooling;
    this.#program = program;
    this.#weights = weights;
  }

  /**
   * Weights are float32; those that are stored as int8 are turned back.
   *
   * @throws BertramError with a line that names the file, for anything missing, malformed or not fitting together;
   * `bad-input` for a layer that the model does not have
   */
  static async load(options: FeatureModelOptions = {}): Promise<FeatureModel> {
    const { pooling = 'none' } = options;
    const directory = await openModelDirectory(options.model);
    const config = bertConfigOf(directory);
    const layers = options.layers ?? DEFAULT_LAYERS.slice(0, config.numHiddenLayers);
    const tokenizer = loadTokenizer(directory);
    const { size } = tokenizer.vocabulary;
    if (size > config.vocabSize) {
      badInput(
        `${directory.path}: vocabulary`,
        `at most the ${config.vocabSize} entries of vocab_size`,
        `${size}`,
      );
    }
    const { outputs, declared } = featureGraph(config, layers, pooling);
    const program = await compile(outputs, options.threads === undefined ? {} : { threads: options.threads });
    // Layers above the highest one chosen are not read.
    const used = new Set(program.inputs.map(({ name }) => name));
    const needed = declared.filter(({ name }) => used.has(name));
    const { parameters } = await loadBertParameters(directory, needed);
    const weights = Object.fromEntries(
      needed.map(({ name, shape }) => [name, { data: parameters.get(name)!, shape }]),
    );
    return new FeatureModel({ name: directory.path, config, tokenizer, layers, pooling }, program, weights);
  }

  /**
   * The states of sequences, each as if it were alone: padding and neighbours change nothing but rounding.
   *
   * @throws BertramError `failed` when a state is not finite
   */
  async states(sequences: readonly BertSequence[]): Promise<SequenceStates[]> {
    const feeds = padSequences(sequences, this.config.padTokenId);
    const used = Object.entries(feeds).filter(([name]) =>
      this.#program.inputs.some((input) => input.name === name),
    );
    const results = await this.#program.run({ ...Object.fromEntries(used), ...this.#weights });
    const states = this.layers.map((_, place) => results[stateName(place)]!.data as Float32Array);
    for (const values of states) {
      const index = firstNonFinite(values);
      if (index >= 0)
        throw new BertramError(
          'failed',
          `${this.name}: expected finite states, got ${String(values[index])}`,
        );
    }
    const { hiddenSize } = this.config;
    const stride = this.pooling === 'none' ? feeds.input_ids.shape[1]! * hiddenSize : hiddenSize;
    return sequences.map(({ inputIds }, row) => {
      const size = this.pooling === 'none' ? inputIds.length * hiddenSize : hiddenSize;
      return states.map((values) => values.subarray(row * stride, row * stride + size));
    });
  }

  /** Frees the engine's memory. The model cannot run any more. */
  async release(): Promise<void> {
    await this.#program.release();
  }
}

const stateName = (place: number): string => `state.${place}`;

/** One result for each chosen layer, and the parameters of the whole encoder. */
function featureGraph(config: BertConfig, layers: readonly number[], pooling: Pooling) {
  const parameters = new Parameters();
  const inputs = bertInputs();
  const states = bertEncoder(parameters.in('bert'), config, inputs, new Dropout({ training: false }));
  const outputs = layers.map((layer, place) => {
    const state = Number.isInteger(layer) ? states.at(layer) : undefined;
    if (state === undefined) {
      badInput('layers', `numbers from -${states.length} to ${states.length - 1}`, String(layer));
    }
    return [stateName(place), pooled(state, inputs.attentionMask!, pooling)] as const;
  });
  if (outputs.length === 0) badInput('layers', 'one or more', 'none');
  return { outputs: Object.fromEntries(outputs), declared: parameters.all };
}

/** [B, S, H] to [B, H], or as it is. */
function pooled(state: Tensor, attentionMask: Tensor, pooling: Pooling): Tensor {
  switch (pooling) {
    case 'none':
      return state;
    case 'cls':
      return clsState(state);
    case 'mean':
      return meanState(state, attentionMask);
  }
}
