/**
 * The gradient rule of each operation: from the gradient of its first output to those of its inputs. `undefined` means
 * that no gradient flows to that input. Gradients may come broadcast; the walk sums them to the input's shape.
 */
import { BertramError } from '../support/errors.ts';
import {
  add,
  broadcastTo,
  cast,
  divide,
  dropout,
  equal,
  exp,
  gather,
  geluDerivative,
  greater,
  linear,
  linearInputGradient,
  linearWeightGradient,
  matmul,
  mean,
  mergeHeads,
  multiply,
  negate,
  oneHot,
  pad,
  paddingBias,
  product,
  reshape,
  scalar,
  scatterAdd,
  slice,
  softmax,
  softmaxCrossEntropyGradient,
  splitHeads,
  subtract,
  sum,
  transpose,
  type Node,
  type OpName,
  type Shape,
  type Tensor,
} from '../graph/index.ts';

/** What a rule may read of a node; the results of the forward pass may be recomputed ones. */
export type DifferentiatedNode<Name extends OpName = OpName> = Pick<
  Node<Name>,
  'op' | 'inputs' | 'outputs' | 'attributes' | 'label'
>;

export type GradientRule<Name extends OpName = OpName> = (
  node: DifferentiatedNode<Name>,
  upstream: Tensor,
) => readonly (Tensor | undefined)[];

/** For operations without a derivative, or without inputs. */
const none = (): readonly undefined[] => [];

/** For operations that have a derivative which nothing has needed yet: an error is better than a silent zero. */
function noRule(node: { readonly label: string }): never {
  throw new BertramError('unsupported', `gradient: ${node.label} cannot be differentiated`);
}

const output = (node: Pick<Node, 'outputs'>): Tensor => node.outputs[0]!;

/** [..., C] to [N, C]. */
const asRows = (x: Tensor): Tensor => reshape(x, [product(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/**
 * Rows of a table up to which the gradient of looking them up is a product: thousands of ids that fall on two rows, as
 * token types do, are added one after the other by a scatter, which took BERT-base 30 ms a step.
 */
const FEW_ROWS = 16;

export const gradientRules: { readonly [Name in OpName]: GradientRule<Name> } = {
  input: none,
  constant: none,

  add: (_, g) => [g, g],
  subtract: (_, g) => [g, negate(g)],
  multiply: ({ inputs: [a, b] }, g) => [multiply(g, b!), multiply(g, a!)],
  divide: (node, g) => {
    const overB = divide(g, node.inputs[1]!);
    return [overB, negate(multiply(overB, output(node)))];
  },
  negate: (_, g) => [negate(g)],
  exp: (node, g) => [multiply(g, output(node))],
  sqrt: (node, g) => [divide(multiply(g, 0.5), output(node))],
  erf: ({ inputs: [x] }, g) => [multiply(g, multiply(exp(negate(multiply(x!, x!))), 2 / Math.sqrt(Math.PI)))],
  tanh: (node, g) => [multiply(g, subtract(1, multiply(output(node), output(node))))],
  relu: ({ inputs: [x] }, g) => [multiply(g, greater(x!, 0))],
  gelu: ({ inputs: [x] }, g) => [multiply(g, geluDerivative(x!))],
  geluDerivative: noRule,
  equal: none,
  greater: none,
  // float32 is the only data type with derivatives, so every cast is to or from one without.
  cast: none,

  matmul: ({ inputs: [a, b], attributes: { transposeA, transposeB, scale } }, g) => {
    // With y = s a b: da = s g bᵀ and db = s aᵀ g; a transposed operand takes the transposed product.
    const da = transposeA
      ? matmul(b!, g, { transposeA: transposeB, transposeB: true, scale })
      : matmul(g, b!, { transposeB: !transposeB, scale });
    const db = transposeB
      ? matmul(g, a!, { transposeA: true, transposeB: transposeA, scale })
      : matmul(a!, g, { transposeA: !transposeA, scale });
    return [da, db];
  },
  linear: ({ inputs: [x, weight, bias] }, g) => [
    linearInputGradient(g, weight!),
    linearWeightGradient(g, x!),
    ...(bias === undefined ? [] : [sum(asRows(g), [0])]),
  ],
  linearInputGradient: ({ inputs: [upstream, weight] }, g) => [
    linear(g, weight!),
    linearWeightGradient(upstream!, g),
  ],
  linearWeightGradient: ({ inputs: [upstream, x] }, g) => [linear(x!, g), linearInputGradient(upstream!, g)],

  reshape: ({ inputs: [x] }, g) => [reshape(g, x!.shape)],
  transpose: ({ attributes: { permutation } }, g) => [
    transpose(
      g,
      permutation.map((_, axis) => permutation.indexOf(axis)),
    ),
  ],
  broadcastTo: (_, g) => [g],
  slice: ({ inputs: [x], attributes: { axis, start } }, g) => [pad(g, axis, start, x!.shape)],
  pad: (node, g) => {
    const { axis, before } = node.attributes;
    const [x] = node.inputs;
    const size = x!.shape[axis]!;
    return typeof size === 'number' ? [slice(g, axis, before, before + size)] : noRule(node);
  },

  sum: ({ inputs: [x], attributes: { axes } }, g) => {
    const kept: Shape = x!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    return [broadcastTo(reshape(g, kept), x!.shape)];
  },
  softmax: (node, g) => [softmaxGradient(output(node), g)],
  logSoftmax: (node, g) => {
    // d log softmax(x)_i / d x_j = δ_ij - softmax(x)_j
    return [subtract(g, multiply(softmax(node.inputs[0]!), sum(g, [-1], true)))];
  },
  softmaxCrossEntropy: ({ inputs: [logits, labels] }, g) => [
    softmaxCrossEntropyGradient(g, logits!, labels!),
  ],
  softmaxCrossEntropyGradient: noRule,
  argMax: none,
  layerNorm: ({ inputs: [x, weight], outputs: [, average, inverseDeviation] }, g) => {
    // With x̂ = (x - μ)/σ and u = g γ: dx = (u - mean(u) - x̂ mean(u x̂)) / σ.
    const normalized = multiply(subtract(x!, average!), inverseDeviation!);
    const u = multiply(g, weight!);
    const centred = subtract(u, mean(u, [-1], true));
    const dx = subtract(centred, multiply(normalized, mean(multiply(u, normalized), [-1], true)));
    return [multiply(dx, inverseDeviation!), multiply(g, normalized), g];
  },

  gather: ({ inputs: [table, ids], attributes: { frozenId } }, g) => {
    const updates = frozenId === undefined ? g : multiply(g, isOther(ids!, frozenId));
    const rows = table!.shape[0]!;
    if (typeof rows === 'string' || rows > FEW_ROWS) return [scatterAdd(updates, ids!, rows)];
    const choices = oneHot(reshape(ids!, [product(ids!.shape)]), rows); // [N, rows]
    return [matmul(choices, asRows(updates), { transposeA: true })];
  },
  scatterAdd: ({ inputs: [, ids] }, g) => [gather(g, ids!)],
  oneHot: none,
  dropout: ({ inputs: [, mask], attributes: { rate } }, g) => [dropout(g, mask!, rate)],
  softmaxDropout: ({ outputs: [kept, probabilities] }, g) => {
    // With y = softmax(x) and z = m y, m being 0 or 1 / (1 - rate): dx = y (m g - Σ y m g) = z g - y Σ z g.
    const zg = multiply(kept!, g);
    return [subtract(zg, multiply(probabilities!, sum(zg, [-1], true)))];
  },
  after: (_, g) => [g],
  attention: ({ inputs, attributes: { heads } }, g) => attentionGradient(inputs, heads, g),
};

/** ids [...] to [..., 1]: 0 where an id is the given one, else 1. */
function isOther(ids: Tensor, id: number): Tensor {
  const same = equal(ids, cast(scalar(id), ids.dtype));
  return reshape(subtract(1, same), [...ids.shape, 1]);
}

/** (g - Σ g y) y over the last axis. */
function softmaxGradient(y: Tensor, g: Tensor): Tensor {
  return multiply(subtract(g, sum(multiply(g, y), [-1], true)), y);
}

/**
 * Attention differentiated by recomputing its probabilities, as FlashAttention does (Dao et al., 2022): with
 * P = softmax(s Q Kᵀ + bias) and O = P V,
 * dV = Pᵀ dO, dP = dO Vᵀ, dS = P (dP - Σ dO O), dQ = s dS K, dK = s dSᵀ Q.
 */
function attentionGradient(inputs: readonly Tensor[], heads: number, g: Tensor): Tensor[] {
  const [query, key, value, mask] = inputs as [Tensor, Tensor, Tensor, Tensor | undefined];
  const [q, k, v, upstream] = [query, key, value, g].map((x) => splitHeads(x, heads)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const scale = 1 / Math.sqrt(q.shape[3] as number);
  const scores = matmul(q, k, { transposeB: true, scale }); // [B, N, S, S]
  const p = softmax(mask === undefined ? scores : add(scores, paddingBias(mask)));
  const dScores = softmaxGradient(p, matmul(upstream, v, { transposeB: true }));
  const dq = matmul(dScores, k, { scale });
  const dk = matmul(dScores, q, { transposeA: true, scale });
  const dv = matmul(p, upstream, { transposeA: true });
  return [dq, dk, dv].map(mergeHeads);
}
