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
  return { loss: losses.loss, parameters: parameters.all, dropout, labels, logits, losses };
}
