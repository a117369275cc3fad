/**
 * The operations a graph is made of: one entry an operation, giving its attributes.
 *
 * Each concern keeps its own table over these names, so that a missing row does not compile: `shape-rules.ts` (result
 * shapes), `../autodiff/gradient-rules.ts` (derivatives), `../onnx/lowering-rules.ts` (ONNX nodes).
 */
import type { Dim, DType, Shape } from './shape.ts';

/** Numbers held by a graph itself. Large arrays belong into inputs. */
export type ConstantData = Float32Array | Int32Array | BigInt64Array | Int8Array | Uint8Array;

export interface OpAttributes {
  /** A value fed at run time, by name: a batch, or a parameter. */
  input: { readonly name: string; readonly dtype: DType; readonly shape: Shape };
  constant: { readonly data: ConstantData; readonly dtype: DType; readonly shape: readonly number[] };

  // Elementwise, with numpy broadcasting.
  add: object;
  subtract: object;
  multiply: object;
  divide: object;
  negate: object;
  exp: object;
  sqrt: object;
  erf: object;
  tanh: object;
  relu: object;
  /** x Φ(x), with the error function. */
  gelu: object;
  /** The derivative of `gelu`, Φ(x) + x φ(x): one op, so that its lowering may fuse it. */
  geluDerivative: object;
  /** 1 where the inputs are equal, else 0; float32. */
  equal: object;
  /** 1 where the first input is greater, else 0; float32. */
  greater: object;
  cast: { readonly dtype: DType };

  /** scale * a' b', where a prime may transpose the last two axes; leading axes broadcast. */
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean; readonly scale: number };
  /** x [..., I], weight [O, I], bias [O]: x weightᵀ + bias. One op, so that its lowering chooses the precision. */
  linear: object;
  /** g [..., O] and weight [O, I]: g weight, which is the gradient of a linear layer's x. */
  linearInputGradient: object;
  /** g [..., O] and x [..., I]: gᵀ x over all rows, which is the gradient of a linear layer's weight, [O, I]. */
  linearWeightGradient: object;

  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  broadcastTo: { readonly shape: Shape };
  /** The part `start` to `end` (exclusive) of one axis. A symbolic end needs start 0. */
  slice: { readonly axis: number; readonly start: number; readonly end: Dim };
  /** Zeros before and after along one axis, up to the size of `shape`: the transpose of `slice`. */
  pad: { readonly axis: number; readonly before: number; readonly shape: Shape };

  sum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  /** Over the last axis. */
  softmax: object;
  /** Over the last axis. */
  logSoftmax: object;
  /**
   * logits [N, C] and integer labels [N], each from 0 to C - 1, to -log softmax(logits)[label]: [N]. One op, so that
   * neither it nor its gradient multiplies by a one-hot matrix: C is a vocabulary.
   */
  softmaxCrossEntropy: object;
  /** g [N], logits and labels: g (softmax(logits) - oneHot(labels)), the gradient of the logits. */
  softmaxCrossEntropyGradient: object;
  /** The place of the largest number along the last axis, the first where several are: int64. */
  argMax: object;
  /** Over the last axis: x, weight, bias to y, mean and inverse deviation. */
  layerNorm: { readonly epsilon: number };

  /**
   * Rows of a table [R, C] by ids [...]: [..., C]. Ids from -R to -1 count from the end, as in numpy. The row of
   * `frozenId` gets no gradient.
   */
  gather: { readonly frozenId: number | undefined };
  /** The transpose of `gather`: updates [..., C] added into [rows, C] by ids [...]; ids may repeat. */
  scatterAdd: { readonly rows: Dim };
  /** ids [...] to [..., depth] with a 1 at each id; an id outside 0 to depth - 1 gives a row of zeros. */
  oneHot: { readonly depth: Dim };
  /** x / (1 - rate) where the mask holds 1, and 0 where it holds 0. The mask is uint8, of x's shape. */
  dropout: { readonly rate: number };
  /**
   * Dropout of a softmax over the last axis, and the softmax itself: two results of x's shape. One op, since its gradient
   * needs neither the mask nor what came into the dropout.
   */
  softmaxDropout: { readonly rate: number };
  /**
   * Multi-head scaled dot-product attention: query, key, value [B, S, H] and perhaps a mask, int32 [B, S], that holds 0
   * where a key is padding; gives [B, S, H]. One op, so that inference runs a fused kernel.
   */
  attention: { readonly heads: number };

  /** The first input, once the second is there too: the same numbers, but nothing that reads them can run earlier. */
  after: object;
}

export type OpName = keyof OpAttributes;
