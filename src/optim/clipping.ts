/** Clipping by the global norm (Pascanu et al., 2013). */
import { input, multiply, sum, type Tensor } from '../graph/index.ts';

/** The sum of squares of any run of n numbers, fed as `gradient`: float32 []. */
export function sumOfSquares(): Tensor {
  const gradient = input('gradient', 'float32', ['n']);
  return sum(multiply(gradient, gradient));
}

/** The factor that brings a norm down to the limit, as `torch.nn.utils.clip_grad_norm_` computes it; 0 is no limit. */
export function clippingFactor(norm: number, limit: number): number {
  return limit > 0 ? Math.min(1, limit / (norm + 1e-6)) : 1;
}
