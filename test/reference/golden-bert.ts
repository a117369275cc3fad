/**
 * A tiny BERT with all its heads whose numbers transformers has computed in float64: test/golden/reference/bert.json,
 * made by scripts/golden/reference_bert.py. Its weights are not stored but made from their names.
 */
import { readFileSync } from 'node:fs';
import type { ReferenceInput } from './bert.ts';
import { sizeOf, type DenseArray } from './dense-array.ts';

export interface GoldenBert {
  config: Record<string, number>;
  input_ids: number[][];
  token_type_ids: number[][];
  attention_mask: number[][];
  questionAnswering: {
    start_positions: number[];
    end_positions: number[];
    hidden_states: number[][][];
    start_logits: number[][];
    end_logits: number[][];
    loss: number;
    gradients: Record<string, number>;
  };
  preTraining: {
    labels: number[][];
    next_sentence_label: number[];
    prediction_logits: number[][];
    seq_relationship_logits: number[][];
    loss: number;
    gradients: Record<string, number>;
  };
}

export const golden = JSON.parse(
  readFileSync(new URL('../golden/reference/bert.json', import.meta.url), 'utf8'),
) as GoldenBert;

/** Numbers from -1 to 1 that both sides make from a name: FNV-1a, then the finaliser of MurmurHash3. */
export function pattern(name: string, count: number): Float64Array {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (hash + Math.imul(i, 2654435761)) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x = (x ^ (x >>> 16)) >>> 0;
    return x / 2 ** 31 - 1;
  });
}

function patterned(name: string, shape: readonly number[]): DenseArray {
  const mean = name.endsWith('LayerNorm.weight') ? 1 : 0;
  const scale = shape.length === 2 ? 0.5 : 0.2;
  return { shape, data: pattern(name, sizeOf(shape)).map((value) => mean + scale * value) };
}

export const { config } = golden;
const [vocabulary, hidden, intermediate] = ['vocab_size', 'hidden_size', 'intermediate_size'].map(
  (name) => config[name]!,
) as [number, number, number];

/** The shapes of all parameters, by name. */
function shapes(): Record<string, number[]> {
  const all: Record<string, number[]> = {
    'bert.embeddings.word_embeddings.weight': [vocabulary, hidden],
    'bert.embeddings.position_embeddings.weight': [config['max_position_embeddings']!, hidden],
    'bert.embeddings.token_type_embeddings.weight': [config['type_vocab_size']!, hidden],
    'cls.predictions.bias': [vocabulary],
  };
  const dense = (name: string, inputs: number, outputs: number): void => {
    all[`${name}.weight`] = [outputs, inputs];
    all[`${name}.bias`] = [outputs];
  };
  const layerNorm = (name: string): void => {
    all[`${name}.weight`] = [hidden];
    all[`${name}.bias`] = [hidden];
  };
  layerNorm('bert.embeddings.LayerNorm');
  for (let i = 0; i < config['num_hidden_layers']!; i++) {
    const layer = `bert.encoder.layer.${i}`;
    for (const part of ['query', 'key', 'value']) dense(`${layer}.attention.self.${part}`, hidden, hidden);
    dense(`${layer}.attention.output.dense`, hidden, hidden);
    layerNorm(`${layer}.attention.output.LayerNorm`);
    dense(`${layer}.intermediate.dense`, hidden, intermediate);
    dense(`${layer}.output.dense`, intermediate, hidden);
    layerNorm(`${layer}.output.LayerNorm`);
  }
  dense('bert.pooler.dense', hidden, hidden);
  dense('qa_outputs', hidden, 2);
  dense('cls.predictions.transform.dense', hidden, hidden);
  layerNorm('cls.predictions.transform.LayerNorm');
  dense('cls.seq_relationship', hidden, 2);
  return all;
}

export type Parameters = Record<string, DenseArray>;
/** The parameters of the golden BERT with all its heads, by their Hugging Face names. */
export const parameters: Parameters = Object.fromEntries(
  Object.entries(shapes()).map(([name, shape]) => [name, patterned(name, shape)]),
);

/** The batch, one sequence at a time. */
export const inputs: ReferenceInput[] = golden.input_ids.map((inputIds, i) => ({
  inputIds,
  tokenTypeIds: golden.token_type_ids[i]!,
  attentionMask: golden.attention_mask[i]!,
}));
