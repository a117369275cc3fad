/** Losses: scalars to be made small. */
import {
  add,
  divide,
  logSoftmax,
  multiply,
  negate,
  oneHot,
  softmaxCrossEntropy,
  sum,
  type Tensor,
} from '../graph/index.ts';

/**
 * The mean of -log softmax(logits)[label] over the rows whose label is a class; rows whose label lies outside 0 to
 * C - 1 count for nothing.
 *
 * @param logits [N, C]
 * @param labels int32 [N]
 * @returns float32 []
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  const chosen = oneHot(labels, logits.shape.at(-1)!); // [N, C]
  return divide(negate(sum(multiply(logSoftmax(logits), chosen))), sum(chosen));
}

/**
 * The mean of -log softmax(logits)[label] over the rows, each as often as its weight says. The 1e-5 that
 * google-research/bert adds to the weights' sum makes a batch without any a loss of 0.
 *
 * @param logits [N, C]
 * @param labels int32 [N], each from 0 to C - 1
 * @param weights float32 [N]
 * @returns float32 []
 */
export function weightedCrossEntropy(logits: Tensor, labels: Tensor, weights: Tensor): Tensor {
  const perRow = softmaxCrossEntropy(logits, labels); // [N]
  return divide(sum(multiply(perRow, weights)), add(sum(weights), 1e-5));
}
