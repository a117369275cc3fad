/** Attention's layout and masking, shared by its forward composition, its gradient and its lowering. */
import { cast, multiply, reshape, subtract, transpose } from './operations.ts';
import type { Dim } from './shape.ts';
import type { Tensor } from './tensor.ts';

/** [B, S, H] to [B, N, S, D]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, sequence, hidden] = x.shape as [Dim, Dim, number];
  return transpose(reshape(x, [batch, sequence, heads, hidden / heads]), [0, 2, 1, 3]);
}

/** [B, N, S, D] to [B, S, H]. */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, sequence, size] = x.shape as [Dim, number, Dim, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, sequence, heads * size]);
}

/** What is added to the scores of padding: far below any score, and far from overflow when a score is added to it. */
export const PADDING_SCORE = -1e30;

/** mask int32 [B, S] of ones and zeros to an additive bias [B, 1, 1, S]: 0 where a key counts, else far below. */
export function paddingBias(mask: Tensor): Tensor {
  const [batch, sequence] = mask.shape as [Dim, Dim];
  return reshape(multiply(subtract(1, cast(mask, 'float32')), PADDING_SCORE), [batch, 1, 1, sequence]);
}
