/**
 * BERT's configuration, and its one mapping to and from `config.json` (Hugging Face's `BertConfig`).
 */
import { z } from 'zod';
import { activations, type ActivationName } from '../nn/index.ts';
import { BertramError, shown } from '../support/errors.ts';

export interface BertConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly hiddenAct: ActivationName;
  readonly hiddenDropoutProb: number;
  readonly attentionProbsDropoutProb: number;
  readonly maxPositionEmbeddings: number;
  readonly typeVocabSize: number;
  readonly initializerRange: number;
  readonly layerNormEps: number;
  readonly padTokenId: number;
}

const size = z
  .int()
  .positive()
  .max(2 ** 24);
const probability = z.number().min(0).lt(1);

/** Defaults are those of `BertConfig`, which fills in what old configurations leave out. */
const configFile = z.looseObject({
  model_type: z.literal('bert').default('bert'),
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: z.int().positive().max(1000),
  num_attention_heads: size,
  intermediate_size: size,
  hidden_act: z.enum(Object.keys(activations) as [ActivationName, ...ActivationName[]]).default('gelu'),
  hidden_dropout_prob: probability.default(0.1),
  attention_probs_dropout_prob: probability.default(0.1),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  initializer_range: z.number().positive().default(0.02),
  layer_norm_eps: z.number().positive().default(1e-12),
  pad_token_id: z.int().nonnegative().nullish(),
  position_embedding_type: z.literal('absolute').default('absolute'),
  is_decoder: z.literal(false).default(false),
});

/**
 * @param json a parsed `config.json`
 * @param where how errors call it, such as its path
 * @throws BertramError `bad-input` naming the first field that does not fit
 */
export function parseBertConfig(json: unknown, where = 'config.json'): BertConfig {
  const parsed = configFile.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const field = issue.path.join('.');
    const value: unknown = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown>)[key],
      json,
    );
    const message = issue.message.replace(/^[\w ]+: (?=expected)|, received .*$/g, '');
    throw new BertramError(
      'bad-input',
      `${where}: ${field === '' ? '' : `${field}: `}${message}, got ${shown(value)}`,
    );
  }
  const file = parsed.data;
  if (file.hidden_size % file.num_attention_heads !== 0) {
    throw new BertramError(
      'bad-input',
      `${where}: hidden_size: expected a multiple of num_attention_heads ${file.num_attention_heads}, got ${file.hidden_size}`,
    );
  }
  return {
    vocabSize: file.vocab_size,
    hiddenSize: file.hidden_size,
    numHiddenLayers: file.num_hidden_layers,
    numAttentionHeads: file.num_attention_heads,
    intermediateSize: file.intermediate_size,
    hiddenAct: file.hidden_act,
    hiddenDropoutProb: file.hidden_dropout_prob,
    attentionProbsDropoutProb: file.attention_probs_dropout_prob,
    maxPositionEmbeddings: file.max_position_embeddings,
    typeVocabSize: file.type_vocab_size,
    initializerRange: file.initializer_range,
    layerNormEps: file.layer_norm_eps,
    padTokenId: file.pad_token_id ?? 0,
  };
}

/** The `config.json` that transformers reads. */
export function formatBertConfig(config: BertConfig, architecture: string): Record<string, unknown> {
  return {
    architectures: [architecture],
    model_type: 'bert',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropoutProb,
    attention_probs_dropout_prob: config.attentionProbsDropoutProb,
    max_position_embeddings: config.maxPositionEmbeddings,
    type_vocab_size: config.typeVocabSize,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEps,
    pad_token_id: config.padTokenId,
    position_embedding_type: 'absolute',
  };
}

/** Layers and width of the published sizes (google-research/bert, "smaller models" and the original two). */
const SIZES = {
  tiny: [2, 128],
  mini: [4, 256],
  small: [4, 512],
  medium: [8, 512],
  base: [12, 768],
  large: [24, 1024],
} as const;
export type PresetName = keyof typeof SIZES;
export const presetNames = Object.keys(SIZES) as PresetName[];

/** The configuration of a published size; heads are 64 wide and the intermediate layer is four times as wide. */
export function presetConfig(name: PresetName, vocabSize: number): BertConfig {
  const [numHiddenLayers, hiddenSize] = SIZES[name];
  return {
    vocabSize,
    hiddenSize,
    numHiddenLayers,
    numAttentionHeads: hiddenSize / 64,
    intermediateSize: hiddenSize * 4,
    hiddenAct: 'gelu',
    hiddenDropoutProb: 0.1,
    attentionProbsDropoutProb: 0.1,
    maxPositionEmbeddings: 512,
    typeVocabSize: 2,
    initializerRange: 0.02,
    layerNormEps: 1e-12,
    padTokenId: 0,
  };
}
