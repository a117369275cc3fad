/**
 * What pretraining makes small: the losses of masked language model and next-sentence prediction, summed
 * (google-research/bert `run_pretraining.py`).
 */
import {
  bertForPreTraining,
  bertInputs,
  maskedLmPositions,
  pretrainingLabels,
  pretrainingLosses,
  type BertConfig,
  type PretrainingLabels,
  type PretrainingLogits,
  type PretrainingLosses,
} from '../bert/index.ts';
import { argMax, cast, divide, equal, sum, type Tensor } from '../graph/index.ts';
import { Dropout, Parameters } from '../nn/index.ts';
import type { Objective } from '../training/index.ts';

export interface PretrainingObjective extends Objective {
  readonly labels: PretrainingLabels;
  readonly logits: PretrainingLogits;
  readonly losses: PretrainingLosses;
}

/**
 * The graph of a batch: inputs `input_ids`, `token_type_ids`, `attention_mask`, `masked_lm_positions`, `masked_lm_ids`,
 * `masked_lm_weights` and `next_sentence_labels`.
 *
 * @param training whether dropout is used
 */
export function pretrainingObjective(config: BertConfig, { training = true } = {}): PretrainingObjective {
  const parameters = new Parameters();
  const dropout = new Dropout({ training });
  const logits = bertForPreTraining(parameters, config, bertInputs(), maskedLmPositions(), dropout);
  const labels = pretrainingLabels();
  const losses = pretrainingLosses(logits, labels);
  const metrics = {
    mlm_loss: losses.mlmLoss,
    nsp_loss: losses.nspLoss,
    nsp_accuracy: accuracy(logits.seqRelationshipLogits, labels.nextSentenceLabels),
  };
  return {
    ...{ loss: losses.loss, metrics, parameters: parameters.all, dropout, labels, logits, losses },
    lossTerms: ['mlm_loss', 'nsp_loss'],
    meanOver: { mlm_loss: 'P' },
  };
}

/** The share of rows of logits [N, C] whose likeliest class is the label, int32 [N]: float32 []. */
function accuracy(logits: Tensor, labels: Tensor): Tensor {
  const right = isRight(logits, labels); // [N]
  return divide(sum(right), sum(equal(labels, labels)));
}

/** Logits [N, C] and labels int32 [N] to 1 where the likeliest class is the label, else 0: float32 [N]. */
export function isRight(logits: Tensor, labels: Tensor): Tensor {
  return equal(argMax(logits), cast(labels, 'int64'));
}
