/**
 * BERT with the heads that it is pretrained with (Devlin et al., 2019, section 3.1; google-research/bert
 * `run_pretraining.py`): masked language model and next-sentence prediction. Parameter names are those of Hugging
 * Face's `BertForPreTraining`, `BertForMaskedLM` and `BertForNextSentencePrediction`.
 *
 * B batch, S sequence, H hidden size, V vocabulary, P predictions: the masked places of the whole batch.
 */
import { add, gather, input, linear, product, reshape, scoped, type Tensor } from '../graph/index.ts';
import {
  activations,
  crossEntropy,
  layerNormLayer,
  linearLayer,
  weightedCrossEntropy,
  zeros,
  type Dropout,
  type Parameters,
} from '../nn/index.ts';
import type { BertConfig } from './config.ts';
import { bertEncoder, bertPooler, type BertInputs } from './model.ts';

export interface PretrainingLogits {
  /** For each masked place, how well each entry of the vocabulary fits: [P, V]. */
  readonly predictionLogits: Tensor;
  /** For each pair, how likely B follows A (0) or is from elsewhere (1): [B, 2]. */
  readonly seqRelationshipLogits: Tensor;
}

/**
 * The input of the places that are predicted: int32 [P], as rows of the batch's tokens. In a batch of sequences padded
 * to 7, place 2 of the second sequence is row 1 * 7 + 2 = 9. Sequences may have different numbers of them.
 */
export function maskedLmPositions(): Tensor {
  return input('masked_lm_positions', 'int32', ['P']);
}

/** BERT with both heads (`BertForPreTraining`). */
export function bertForPreTraining(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  positions: Tensor,
  dropout: Dropout,
): PretrainingLogits {
  const hidden = lastHiddenState(parameters, config, inputs, dropout);
  return {
    predictionLogits: maskedLmHead(parameters, config, hidden, positions),
    seqRelationshipLogits: nextSentenceHead(parameters, config, hidden),
  };
}

/** BERT that fills masks and has no pooler (`BertForMaskedLM`): [P, V]. */
export function bertForMaskedLm(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  positions: Tensor,
  dropout: Dropout,
): Tensor {
  return maskedLmHead(parameters, config, lastHiddenState(parameters, config, inputs, dropout), positions);
}

/** BERT that judges whether B follows A (`BertForNextSentencePrediction`): [B, 2]. */
export function bertForNextSentencePrediction(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): Tensor {
  return nextSentenceHead(parameters, config, lastHiddenState(parameters, config, inputs, dropout));
}

function lastHiddenState(
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): Tensor {
  return scoped('bert', () => bertEncoder(parameters.in('bert'), config, inputs, dropout)).at(-1)!; // [B, S, H]
}

/**
 * The masked places' states through a dense layer, and compared with every word embedding. The product with the
 * vocabulary is by far the largest of a small model, so it is computed for the masked places only.
 */
function maskedLmHead(parameters: Parameters, config: BertConfig, hidden: Tensor, positions: Tensor): Tensor {
  const { vocabSize, hiddenSize, hiddenAct, initializerRange, layerNormEps } = config;
  return scoped('cls.predictions', () => {
    const head = parameters.in('cls').in('predictions');
    const transform = head.in('transform');
    const dense = linearLayer(transform.in('dense'), hiddenSize, hiddenSize, initializerRange);
    const normalize = layerNormLayer(transform.in('LayerNorm'), hiddenSize, layerNormEps);
    const words = parameters.in('bert').in('embeddings').in('word_embeddings').shared('weight'); // [V, H]
    const bias = head.declare('bias', [vocabSize], zeros);

    const tokens = reshape(hidden, [product(hidden.shape.slice(0, 2)), hiddenSize]); // [B*S, H]
    const masked = gather(tokens, positions); // [P, H]
    return linear(normalize(activations[hiddenAct](dense(masked))), words, bias); // [P, V]
  });
}

/** The pooled first token through a dense layer: [B, S, H] to [B, 2]. */
function nextSentenceHead(parameters: Parameters, config: BertConfig, hidden: Tensor): Tensor {
  return scoped('cls.seq_relationship', () => {
    const pooled = bertPooler(parameters.in('bert').in('pooler'), config, hidden); // [B, H]
    const head = parameters.in('cls').in('seq_relationship');
    return linearLayer(head, config.hiddenSize, 2, config.initializerRange)(pooled); // [B, 2]
  });
}

/** What the masked places and pairs were before masking and pairing. */
export interface PretrainingLabels {
  /** int32 [P] */
  readonly maskedLmIds: Tensor;
  /** float32 [P]: 1, or 0 for a place that only fills up the batch. */
  readonly maskedLmWeights: Tensor;
  /** int32 [B]: 1 where B is from elsewhere. */
  readonly nextSentenceLabels: Tensor;
}

export function pretrainingLabels(): PretrainingLabels {
  return {
    maskedLmIds: input('masked_lm_ids', 'int32', ['P']),
    maskedLmWeights: input('masked_lm_weights', 'float32', ['P']),
    nextSentenceLabels: input('next_sentence_labels', 'int32', ['B']),
  };
}

/** Each a float32 []. */
export interface PretrainingLosses {
  /** The sum of the two others. */
  readonly loss: Tensor;
  readonly mlmLoss: Tensor;
  readonly nspLoss: Tensor;
}

export function pretrainingLosses(logits: PretrainingLogits, labels: PretrainingLabels): PretrainingLosses {
  return scoped('loss', () => {
    const { maskedLmIds, maskedLmWeights, nextSentenceLabels } = labels;
    const mlmLoss = weightedCrossEntropy(logits.predictionLogits, maskedLmIds, maskedLmWeights);
    const nspLoss = crossEntropy(logits.seqRelationshipLogits, nextSentenceLabels);
    return { loss: add(mlmLoss, nspLoss), mlmLoss, nspLoss };
  });
}
