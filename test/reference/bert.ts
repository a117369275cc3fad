/**
 * BERT in float64 loops, written from the paper (Devlin et al., 2019, https://arxiv.org/abs/1810.04805) and, for what it
 * leaves open, google-research/bert: what the models of `src/` are compared with. It uses nothing of theirs; parameters
 * go by their Hugging Face names.
 *
 * B batch, S sequence, H hidden, N heads, D head size, V vocabulary, I intermediate. A sequence is computed by itself:
 * its states are S rows of H numbers, and its padding takes part only as queries whose results nobody uses.
 */
import type { DenseArray } from './dense-array.ts';
import { gelu, logSumExp, moments, softmaxInPlace } from './special-functions.ts';

export interface ReferenceConfig {
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly layerNormEps: number;
}

export type ReferenceParameters = Readonly<Record<string, DenseArray>>;

/** One sequence, without the others of its batch. */
export interface ReferenceInput {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
  /** 1 for a token, 0 for padding. */
  readonly attentionMask: readonly number[];
}

/** S rows of numbers. */
type Rows = Float64Array[];

/** Label of a position that counts for nothing. */
export const IGNORED = -100;

export class ReferenceBert {
  readonly #config: ReferenceConfig;
  readonly #parameters: ReferenceParameters;

  constructor(config: ReferenceConfig, parameters: ReferenceParameters) {
    this.#config = config;
    this.#parameters = parameters;
  }

  /** The states after the embeddings, and after each layer. */
  hiddenStates({ inputIds, tokenTypeIds, attentionMask }: ReferenceInput): Rows[] {
    const word = this.#parameter('bert.embeddings.word_embeddings.weight');
    const position = this.#parameter('bert.embeddings.position_embeddings.weight');
    const type = this.#parameter('bert.embeddings.token_type_embeddings.weight');
    const sums = inputIds.map((id, s) =>
      addRows(addRows(rowOf(word, id), rowOf(position, s)), rowOf(type, tokenTypeIds[s]!)),
    );
    const states = [this.#layerNorm('bert.embeddings.LayerNorm', sums)];
    for (let i = 0; i < this.#config.numHiddenLayers; i++) {
      states.push(this.#layer(`bert.encoder.layer.${i}`, states[i]!, attentionMask));
    }
    return states;
  }

  /** tanh of a dense layer over the first token's state. */
  pooled(input: ReferenceInput): Float64Array {
    const [first] = this.hiddenStates(input).at(-1)!;
    return this.#dense('bert.pooler.dense', [first!])[0]!.map(Math.tanh);
  }

  /** For each position, how well an answer starts and ends there. */
  spanLogits(input: ReferenceInput): { start: Float64Array; end: Float64Array } {
    const logits = this.#dense('qa_outputs', this.hiddenStates(input).at(-1)!);
    return {
      start: Float64Array.from(logits, (row) => row[0]!),
      end: Float64Array.from(logits, (row) => row[1]!),
    };
  }

  /** For each position, logits over the vocabulary: a transformation, then the word embeddings as the output layer. */
  predictionLogits(input: ReferenceInput): Rows {
    const transform = 'cls.predictions.transform';
    const dense = this.#dense(`${transform}.dense`, this.hiddenStates(input).at(-1)!);
    const states = this.#layerNorm(
      `${transform}.LayerNorm`,
      dense.map((row) => row.map(gelu)),
    );
    return linear(
      states,
      this.#parameter('bert.embeddings.word_embeddings.weight'),
      this.#parameter('cls.predictions.bias'),
    );
  }

  /** Logits of "is the next sentence" and "is a random one". */
  nextSentenceLogits(input: ReferenceInput): Float64Array {
    return this.#dense('cls.seq_relationship', [this.pooled(input)])[0]!;
  }

  /** Attention and feed-forward, each added to what went in and then normalised. */
  #layer(name: string, x: Rows, mask: readonly number[]): Rows {
    const attended = this.#dense(
      `${name}.attention.output.dense`,
      this.#attention(`${name}.attention.self`, x, mask),
    );
    const middle = this.#layerNorm(
      `${name}.attention.output.LayerNorm`,
      attended.map((row, s) => addRows(row, x[s]!)),
    );
    const expanded = this.#dense(`${name}.intermediate.dense`, middle).map((row) => row.map(gelu));
    const contracted = this.#dense(`${name}.output.dense`, expanded);
    return this.#layerNorm(
      `${name}.output.LayerNorm`,
      contracted.map((row, s) => addRows(row, middle[s]!)),
    );
  }

  /** softmax(Q Kᵀ / √D) V for each head, over the keys that are no padding (Vaswani et al., 2017). */
  #attention(name: string, x: Rows, mask: readonly number[]): Rows {
    const [query, key, value] = ['query', 'key', 'value'].map((part) =>
      this.#dense(`${name}.${part}`, x),
    ) as [Rows, Rows, Rows];
    const hidden = x[0]!.length;
    const size = hidden / this.#config.numAttentionHeads;
    const keys = mask.flatMap((keep, s) => (keep === 1 ? [s] : []));
    return query.map((q) => {
      const result = new Float64Array(hidden);
      for (let first = 0; first < hidden; first += size) {
        const probabilities = Float64Array.from(keys, (s) => {
          let score = 0;
          for (let d = first; d < first + size; d++) score += q[d]! * key[s]![d]!;
          return score / Math.sqrt(size);
        });
        softmaxInPlace(probabilities);
        keys.forEach((s, i) => {
          for (let d = first; d < first + size; d++) result[d]! += probabilities[i]! * value[s]![d]!;
        });
      }
      return result;
    });
  }

  #dense(name: string, x: Rows): Rows {
    return linear(x, this.#parameter(`${name}.weight`), this.#parameter(`${name}.bias`));
  }

  #layerNorm(name: string, x: Rows): Rows {
    const weight = this.#parameter(`${name}.weight`).data;
    const bias = this.#parameter(`${name}.bias`).data;
    return x.map((row) => {
      const { mean, inverseDeviation } = moments(row, this.#config.layerNormEps);
      return row.map((value, i) => (value - mean) * inverseDeviation * weight[i]! + bias[i]!);
    });
  }

  #parameter(name: string): DenseArray {
    const found = this.#parameters[name];
    if (found === undefined) throw new Error(`the reference needs a parameter ${name}`);
    return found;
  }
}

/** x weightᵀ + bias, with weight [O, I]. */
function linear(x: Rows, { shape, data }: DenseArray, bias: DenseArray): Rows {
  const [outputs, inputs] = shape as [number, number];
  return x.map((row) =>
    Float64Array.from({ length: outputs }, (_, o) => {
      let total = bias.data[o]!;
      for (let i = 0; i < inputs; i++) total += row[i]! * data[o * inputs + i]!;
      return total;
    }),
  );
}

function rowOf({ shape, data }: DenseArray, row: number): Float64Array {
  const columns = shape[1]!;
  return data.subarray(row * columns, (row + 1) * columns);
}

const addRows = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]!);

/** The mean of -log softmax(logits)[label] over the rows whose label is not ignored. */
export function referenceCrossEntropy(logits: Rows, labels: readonly number[]): number {
  let total = 0;
  let count = 0;
  labels.forEach((label, i) => {
    if (label === IGNORED) return;
    total += logSumExp(logits[i]!) - logits[i]![label]!;
    count += 1;
  });
  return total / count;
}
