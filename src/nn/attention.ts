/** Multi-head scaled dot-product attention (Vaswani et al., 2017). */
import {
  add,
  attention,
  matmul,
  mergeHeads,
  paddingBias,
  scoped,
  splitHeads,
  type Tensor,
} from '../graph/index.ts';
import type { Dropout } from './dropout.ts';

export interface AttentionOptions {
  readonly heads: number;
  readonly dropout: Dropout;
  /** Dropout of the probabilities. */
  readonly rate: number;
}

/**
 * @param query [B, S, H]; so are key and value
 * @param mask int32 [B, S], 0 where a key is padding; undefined where none is
 * @returns [B, S, H]
 */
export function multiHeadAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  mask: Tensor | undefined,
  { heads, dropout, rate }: AttentionOptions,
): Tensor {
  if (!dropout.isActive(rate)) return attention(query, key, value, mask, heads);
  // With dropout the probabilities must exist as a tensor of their own.
  const q = splitHeads(query, heads); // [B, N, S, D]
  const k = splitHeads(key, heads); // [B, N, S, D]
  const v = splitHeads(value, heads); // [B, N, S, D]
  const headSize = q.shape[3] as number;
  const bias = mask === undefined ? undefined : paddingBias(mask); // [B, 1, 1, S]
  // They take much memory for what it takes to compute them: training finds them by this scope.
  const probabilities = scoped('probabilities', () => {
    const scores = matmul(q, k, { transposeB: true, scale: 1 / Math.sqrt(headSize) }); // [B, N, S, S]
    return dropout.applyToSoftmax(bias === undefined ? scores : add(scores, bias), rate); // [B, N, S, S]
  });
  return mergeHeads(matmul(probabilities, v)); // [B, S, H]
}
