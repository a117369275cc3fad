/** Losses: scalars to be made small. */
import { divide, logSoftmax, multiply, negate, oneHot, sum, type Tensor } from '../graph/index.ts';

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
