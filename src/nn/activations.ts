/** Activation functions by the names that `config.json` uses for them (`hidden_act`). */
import { add, gelu, multiply, relu, tanh, type Tensor } from '../graph/index.ts';

/** 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), the approximation of GELU that GPT-2 uses (Hendrycks and Gimpel, 2016). */
export function geluNew(x: Tensor): Tensor {
  const cubic = multiply(multiply(multiply(x, x), x), 0.044715);
  const inner = multiply(add(x, cubic), Math.sqrt(2 / Math.PI));
  return multiply(multiply(x, 0.5), add(tanh(inner), 1));
}

export const activations = { gelu, relu, gelu_new: geluNew } as const;
export type ActivationName = keyof typeof activations;
