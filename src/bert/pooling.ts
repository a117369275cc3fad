/** One vector for a whole text from the states of its tokens. */
import {
  cast,
  divide,
  multiply,
  reshape,
  scoped,
  slice,
  sum,
  type Dim,
  type Tensor,
} from '../graph/index.ts';

/** The state of `[CLS]`: [B, S, H] to [B, H]. */
export function clsState(hiddenState: Tensor): Tensor {
  const [batch, , size] = hiddenState.shape as [Dim, Dim, Dim];
  return reshape(slice(hiddenState, 1, 0, 1), [batch, size]);
}

/**
 * The mean over the tokens, `[CLS]` and `[SEP]` among them, padding not: [B, S, H] to [B, H].
 *
 * @param attentionMask int32 [B, S], 0 where there is padding
 */
export function meanState(hiddenState: Tensor, attentionMask: Tensor): Tensor {
  return scoped('mean', () => {
    const [batch, sequence] = attentionMask.shape as [Dim, Dim];
    const isToken = reshape(cast(attentionMask, 'float32'), [batch, sequence, 1]); // [B, S, 1]
    return divide(sum(multiply(hiddenState, isToken), [1]), sum(isToken, [1])); // [B, H] / [B, 1]
  });
}
