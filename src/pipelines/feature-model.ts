/** The encoder of a model directory as a program: padded batches in, the chosen hidden states out, pooled or not. Needs Node. */
import {
  bertEncoder,
  clsState,
  meanState,
  padSequences,
  type BertConfig,
  type BertInputs,
  type BertSequence,
} from '../bert/index.ts';
import type { Tensor } from '../graph/index.ts';
import type { Dropout, Parameters } from '../nn/index.ts';
import { badInput } from '../support/errors.ts';
import type { BertTokenizer } from '../tokenizers/index.ts';
import { ModelProgram } from './model-program.ts';

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
  readonly #program: ModelProgram<string>;

  private constructor(program: ModelProgram<string>, layers: readonly number[], pooling: Pooling) {
    this.name = program.name;
    this.config = program.config;
    this.tokenizer = program.tokenizer;
    this.layers = layers;
    this.pooling = pooling;
    this.#program = program;
  }

  /**
   * Weights are float32; those that are stored as int8 are turned back.
   *
   * @throws BertramError with a line that names the file, for anything missing, malformed or not fitting together;
   * `bad-input` for a layer that the model does not have
   */
  static async load(options: FeatureModelOptions = {}): Promise<FeatureModel> {
    const { layers, pooling = 'none', ...loading } = options;
    const program = await ModelProgram.load(
      (parameters, config, inputs, dropout) =>
        featureGraph(layers ?? defaultLayers(config), pooling, parameters, config, inputs, dropout),
      loading,
    );
    return new FeatureModel(program, layers ?? defaultLayers(program.config), pooling);
  }

  /**
   * The states of sequences, each as if it were alone: padding and neighbours change nothing but rounding.
   *
   * @throws BertramError `failed` when a state is not finite
   */
  async states(sequences: readonly BertSequence[]): Promise<SequenceStates[]> {
    const feeds = padSequences(sequences, this.config.padTokenId);
    const results = await this.#program.run(feeds);
    const states = this.layers.map((_, place) => results[stateName(place)]!);
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

const defaultLayers = ({ numHiddenLayers }: BertConfig): readonly number[] =>
  DEFAULT_LAYERS.slice(0, numHiddenLayers);

/** One result for each chosen layer. */
function featureGraph(
  layers: readonly number[],
  pooling: Pooling,
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): Record<string, Tensor> {
  const states = bertEncoder(parameters.in('bert'), config, inputs, dropout);
  const outputs = layers.map((layer, place) => {
    const state = Number.isInteger(layer) ? states.at(layer) : undefined;
    if (state === undefined) {
      badInput('layers', `numbers from -${states.length} to ${states.length - 1}`, String(layer));
    }
    return [stateName(place), pooled(state, inputs.attentionMask!, pooling)] as const;
  });
  if (outputs.length === 0) badInput('layers', 'one or more', 'none');
  return Object.fromEntries(outputs);
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
