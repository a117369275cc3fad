/**
 * BERT (Devlin et al., 2019, https://arxiv.org/abs/1810.04805): embeddings, encoder, pooler, and the heads for question
 * answering and for whole texts. Parameter names are those of Hugging Face's `BertModel`, `BertForQuestionAnswering` and
 * `BertForSequenceClassification`.
 *
 * B batch, S sequence, H hidden size, I intermediate size.
 */
import { add, input, multiply, reshape, scoped, slice, tanh, type Dim, type Tensor } from '../graph/index.ts';
import {
  activations,
  crossEntropy,
  embeddingLayer,
  layerNormLayer,
  linearLayer,
  multiHeadAttention,
  truncatedNormal,
  type Dropout,
  type Parameters,
} from '../nn/index.ts';
import type { BertConfig } from './config.ts';
import { clsState } from './pooling.ts';

/** What a batch of token sequences is fed as, each int32 [B, S]. */
export interface BertInputs {
  readonly inputIds: Tensor;
  /** 0 for the first segment of a pair and 1 for the second. */
  readonly tokenTypeIds: Tensor;
  /** 1 for a token and 0 for padding; undefined where no sequence is ever padded, which makes attention faster. */
  readonly attentionMask: Tensor | undefined;
}

/** @param padded whether batches may hold padding, and a mask that tells where */
export function bertInputs({ padded }: { readonly padded: boolean } = { padded: true }): BertInputs {
  const ids = (name: string): Tensor => input(name, 'int32', ['B', 'S']);
  return {
    inputIds: ids('input_ids'),
    tokenTypeIds: ids('token_type_ids'),
    attentionMask: padded ? ids('attention_mask') : undefined,
  };
}

/** The embeddings and all layers. Returns the hidden states: the embeddings' first, then each layer's; each [B, S, H]. */
export function bertEncoder(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): Tensor[] {
  const layers = parameters.in('encoder').in('layer');
  const embedded = scoped('embeddings', () =>
    bertEmbeddings(parameters.in('embeddings'), config, inputs, dropout),
  );
  const states = [embedded];
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const previous = states[i]!;
    const layer = layers.in(String(i));
    states.push(
      scoped(`layer.${i}`, () => bertLayer(layer, config, previous, inputs.attentionMask, dropout)),
    );
  }
  return states;
}

/** The sum of word, position and token type embeddings, normalised: [B, S, H]. */
function bertEmbeddings(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): Tensor {
  const { vocabSize, hiddenSize, maxPositionEmbeddings, typeVocabSize, initializerRange, padTokenId } =
    config;
  const words = embeddingLayer(
    parameters.in('word_embeddings'),
    vocabSize,
    hiddenSize,
    initializerRange,
    padTokenId,
  );
  const positions = parameters
    .in('position_embeddings')
    .declare('weight', [maxPositionEmbeddings, hiddenSize], truncatedNormal(initializerRange)); // [max S, H]
  const types = embeddingLayer(
    parameters.in('token_type_embeddings'),
    typeVocabSize,
    hiddenSize,
    initializerRange,
  );
  const normalize = layerNormLayer(parameters.in('LayerNorm'), hiddenSize, config.layerNormEps);

  const sequence = inputs.inputIds.shape[1] as Dim;
  const content = add(words(inputs.inputIds), types(inputs.tokenTypeIds)); // [B, S, H]
  const placed = add(content, slice(positions, 0, 0, sequence)); // [B, S, H] + [S, H]
  return dropout.apply(normalize(placed), config.hiddenDropoutProb);
}

/** One transformer layer, normalised after each residual sum: [B, S, H] to [B, S, H]. */
function bertLayer(
  parameters: Parameters,
  config: BertConfig,
  x: Tensor,
  attentionMask: Tensor | undefined,
  dropout: Dropout,
): Tensor {
  const { hiddenSize, intermediateSize, initializerRange, layerNormEps, hiddenDropoutProb } = config;
  const dense = (name: Parameters, inputs: number, outputs: number) =>
    linearLayer(name, inputs, outputs, initializerRange);
  const attention = parameters.in('attention');
  const self = attention.in('self');
  const output = parameters.in('output');

  const query = dense(self.in('query'), hiddenSize, hiddenSize)(x); // [B, S, H]
  const key = dense(self.in('key'), hiddenSize, hiddenSize)(x); // [B, S, H]
  const value = dense(self.in('value'), hiddenSize, hiddenSize)(x); // [B, S, H]
  const mixed = multiHeadAttention(query, key, value, attentionMask, {
    heads: config.numAttentionHeads,
    dropout,
    rate: config.attentionProbsDropoutProb,
  }); // [B, S, H]
  const attended = dense(attention.in('output').in('dense'), hiddenSize, hiddenSize)(mixed); // [B, S, H]
  const normalizeAttended = layerNormLayer(attention.in('output').in('LayerNorm'), hiddenSize, layerNormEps);
  const middle = normalizeAttended(add(dropout.apply(attended, hiddenDropoutProb), x)); // [B, S, H]

  const expanded = dense(parameters.in('intermediate').in('dense'), hiddenSize, intermediateSize)(middle); // [B, S, I]
  const activated = activations[config.hiddenAct](expanded); // [B, S, I]
  const contracted = dense(output.in('dense'), intermediateSize, hiddenSize)(activated); // [B, S, H]
  const normalizeOutput = layerNormLayer(output.in('LayerNorm'), hiddenSize, layerNormEps);
  return normalizeOutput(add(dropout.apply(contracted, hiddenDropoutProb), middle)); // [B, S, H]
}

/** The first token's state through a dense layer and tanh: [B, S, H] to [B, H]. */
export function bertPooler(parameters: Parameters, config: BertConfig, hiddenState: Tensor): Tensor {
  const dense = linearLayer(
    parameters.in('dense'),
    config.hiddenSize,
    config.hiddenSize,
    config.initializerRange,
  );
  return tanh(dense(clsState(hiddenState)));
}

/** BERT that puts whole texts into classes (`BertForSequenceClassification`): the pooled state to logits [B, C]. */
export function bertForSequenceClassification(
  parameters: Parameters,
  config: BertConfig,
  classes: number,
  inputs: BertInputs,
  dropout: Dropout,
): Tensor {
  const bert = parameters.in('bert');
  const pooled = scoped('bert', () => {
    const states = bertEncoder(bert, config, inputs, dropout);
    return scoped('pooler', () => bertPooler(bert.in('pooler'), config, states.at(-1)!)); // [B, H]
  });
  return scoped('classifier', () => {
    const head = linearLayer(
      parameters.in('classifier'),
      config.hiddenSize,
      classes,
      config.initializerRange,
    );
    return head(dropout.apply(pooled, config.hiddenDropoutProb)); // [B, C]
  });
}

export interface SpanLogits {
  /** For each token, how well an answer starts there: [B, S]. */
  readonly startLogits: Tensor;
  /** For each token, how well an answer ends with it: [B, S]. */
  readonly endLogits: Tensor;
}

/** BERT with the question-answering head (`BertForQuestionAnswering`): no pooler, two numbers a token. */
export function bertForQuestionAnswering(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): SpanLogits {
  const states = scoped('bert', () => bertEncoder(parameters.in('bert'), config, inputs, dropout));
  return scoped('qa_outputs', () => {
    const head = linearLayer(parameters.in('qa_outputs'), config.hiddenSize, 2, config.initializerRange);
    const logits = head(states.at(-1)!); // [B, S, 2]
    const [batch, sequence] = logits.shape as [Dim, Dim];
    const column = (i: number): Tensor => reshape(slice(logits, 2, i, i + 1), [batch, sequence]);
    return { startLogits: column(0), endLogits: column(1) };
  });
}

/**
 * The mean of the cross entropies of start and end, over the S positions. A position outside the sequence is ignored.
 *
 * @param startPositions int32 [B]; so is endPositions
 */
export function spanLoss(
  { startLogits, endLogits }: SpanLogits,
  startPositions: Tensor,
  endPositions: Tensor,
): Tensor {
  return scoped('loss', () => {
    const total = add(crossEntropy(startLogits, startPositions), crossEntropy(endLogits, endPositions));
    return multiply(total, 0.5);
  });
}
