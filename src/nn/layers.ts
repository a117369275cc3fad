/** The layers that BERT is built of. Each declares its parameters once and returns a function over tensors. */
import { gather, layerNorm, linear, type Tensor } from '../graph/index.ts';
import { ones, truncatedNormal, zeros } from './initializers.ts';
import type { Parameters } from './parameters.ts';

export type Layer = (x: Tensor) => Tensor;

/** [..., I] to [..., O]: x weightᵀ + bias. */
export function linearLayer(
  parameters: Parameters,
  inputs: number,
  outputs: number,
  deviation: number,
): Layer {
  const weight = parameters.declare('weight', [outputs, inputs], truncatedNormal(deviation));
  const bias = parameters.declare('bias', [outputs], zeros);
  return (x) => linear(x, weight, bias);
}

/** Over the last axis, of fixed size. */
export function layerNormLayer(parameters: Parameters, size: number, epsilon: number): Layer {
  const weight = parameters.declare('weight', [size], ones);
  const bias = parameters.declare('bias', [size], zeros);
  return (x) => layerNorm(x, weight, bias, epsilon);
}

/**
 * Integer ids [...] to rows [..., C] of a table [rows, C].
 *
 * @param frozenId a row that is not trained, as PyTorch's `padding_idx`
 */
export function embeddingLayer(
  parameters: Parameters,
  rows: number,
  columns: number,
  deviation: number,
  frozenId?: number,
): Layer {
  const table = parameters.declare('weight', [rows, columns], truncatedNormal(deviation));
  return (ids) => gather(table, ids, frozenId);
}
