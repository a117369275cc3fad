/**
 * How each operation becomes ONNX nodes: the standard operators, and those of ONNX Runtime (`com.microsoft`) where
 * they are faster. Rules get the names of their input values and return those of their outputs.
 */
import { PADDING_SCORE, type Dim, type Node, type OpName, type Shape } from '../graph/index.ts';
import { ELEMENT_TYPES, type Emitter } from './emitter.ts';
import { bakedInt8Linear, float32Linear, fusedMatMul, type Int8Weight } from './linear-lowering.ts';
import { gainsFromInt8, type SwitchBack } from './switch-back.ts';

export interface LoweringContext {
  readonly emit: Emitter;
  /** The int8 form of an input that is a weight, where the program was given one. */
  readonly int8Weight: (node: Node) => Int8Weight | undefined;
  /** The int8 products of training, if the program was asked for them. */
  readonly switchBack: SwitchBack | undefined;
}

export type LoweringRule<Name extends OpName = OpName> = (
  node: Node<Name>,
  inputs: readonly string[],
  context: LoweringContext,
) => readonly string[];

const direct =
  (opType: string): LoweringRule =>
  (_, inputs, { emit }) => [emit.node(opType, inputs)];

const overLastAxis =
  (opType: string): LoweringRule =>
  (_, inputs, { emit }) => [emit.node(opType, inputs, { attributes: { axis: -1 } })];

export const loweringRules: { readonly [Name in OpName]: LoweringRule<Name> } = {
  input: ({ attributes }) => [attributes.name],
  constant: ({ attributes: { data, dtype, shape }, number }, _, { emit }) => {
    if (dtype === 'float32' && shape.length === 0) return [emit.scalar(Number(data[0]))];
    return [emit.tensor(`constant_${number}`, dtype, shape, data)];
  },

  add: direct('Add'),
  subtract: direct('Sub'),
  multiply: direct('Mul'),
  divide: direct('Div'),
  negate: direct('Neg'),
  exp: direct('Exp'),
  sqrt: direct('Sqrt'),
  erf: direct('Erf'),
  tanh: direct('Tanh'),
  relu: direct('Relu'),
  gelu: (_, inputs, { emit }) => [emit.node('Gelu', inputs, { domain: 'com.microsoft' })],
  geluDerivative: (_, [x], { emit }) => {
    // Φ(x) + x φ(x) = 0.5 + 0.5 erf(x/√2) + x exp(-x²/2) / √(2π)
    const erf = emit.node('Erf', [emit.node('Mul', [x!, emit.scalar(Math.SQRT1_2)])]);
    const distribution = emit.node('Add', [emit.node('Mul', [erf, emit.scalar(0.5)]), emit.scalar(0.5)]);
    const scaled = emit.node('Mul', [x!, emit.scalar(-0.5)]);
    const bell = emit.node('Exp', [emit.node('Mul', [scaled, x!])]);
    const density = emit.node('Mul', [emit.node('Mul', [bell, x!]), emit.scalar(1 / Math.sqrt(2 * Math.PI))]);
    return [emit.node('Add', [distribution, density])];
  },
  equal: (_, inputs, { emit }) => [asFloat(emit, emit.node('Equal', inputs))],
  greater: (_, inputs, { emit }) => [asFloat(emit, emit.node('Greater', inputs))],
  cast: ({ attributes: { dtype } }, inputs, { emit }) => [
    emit.node('Cast', inputs, { attributes: { to: ELEMENT_TYPES[dtype] } }),
  ],

  matmul: ({ attributes: { transposeA, transposeB, scale } }, inputs, { emit }) => {
    if (!transposeA && !transposeB && scale === 1) return [emit.node('MatMul', inputs)];
    return [fusedMatMul(emit, inputs, transposeA, transposeB, scale)];
  },
  linear: (node, [x, weight, bias], { emit, int8Weight, switchBack }) => {
    const { node: source, shape } = node.inputs[1]!;
    const baked = int8Weight(source);
    if (baked !== undefined) return [bakedInt8Linear(emit, x!, weight!, bias, shape, baked)];
    if (switchBack === undefined || !gainsFromInt8(shape)) return [float32Linear(emit, x!, weight!, bias)];
    return [switchBack.linear(x!, weight!, bias, shape, node.outputs[0]!.shape)];
  },
  linearInputGradient: (node, [g, weight], { emit, switchBack }) => {
    const { shape } = node.inputs[1]!;
    if (switchBack === undefined || !gainsFromInt8(shape)) return [emit.node('MatMul', [g!, weight!])];
    return [switchBack.inputGradient(g!, weight!, shape, node.outputs[0]!.shape)];
  },
  linearWeightGradient: (node, [g, x], { emit, switchBack }) => {
    const { shape } = node.outputs[0]!;
    const rows = (value: string, columns: Dim): string =>
      emit.node('Reshape', [value, emit.shape([-1, columns])]);
    const [outputs, inputs] = shape as [Dim, Dim];
    if (switchBack === undefined || !gainsFromInt8(shape))
      return [fusedMatMul(emit, [rows(g!, outputs), rows(x!, inputs)], true, false, 1)];
    return [switchBack.weightGradient(g!, x!, shape, node.inputs[1]!.shape.length)];
  },

  reshape: ({ inputs: [x], attributes: { shape } }, inputs, { emit }) => [
    emit.node('Reshape', [inputs[0]!, reshapeTarget(emit, x!.shape, shape)]),
  ],
  transpose: ({ attributes: { permutation } }, inputs, { emit }) => [
    emit.node('Transpose', inputs, { attributes: { perm: permutation } }),
  ],
  broadcastTo: ({ attributes: { shape } }, [x], { emit }) => [emit.node('Expand', [x!, emit.shape(shape)])],
  slice: ({ attributes: { axis, start, end } }, [x], { emit }) => [
    emit.node('Slice', [x!, emit.integers([start]), emit.dim(end), emit.integers([axis])]),
  ],
  pad: ({ inputs: [x], attributes: { axis, before, shape } }, inputs, { emit }) => {
    const after = padAfter(emit, x!.shape[axis]!, before, shape[axis]!);
    const amounts = emit.node('Concat', [emit.integers([before]), after], { attributes: { axis: 0 } });
    return [emit.node('Pad', [inputs[0]!, amounts, '', emit.integers([axis])])];
  },

  sum: ({ attributes: { axes, keepDims } }, [x], { emit }) => [
    emit.node('ReduceSum', [x!, emit.integers(axes)], { attributes: { keepdims: keepDims ? 1 : 0 } }),
  ],
  softmax: overLastAxis('Softmax'),
  logSoftmax: overLastAxis('LogSoftmax'),
  softmaxCrossEntropy: (_, [logits, labels], { emit }) => {
    const last = emit.integers([-1]);
    const logProbabilities = emit.node('LogSoftmax', [logits!], { attributes: { axis: -1 } });
    const ofLabels = emit.node(
      'GatherElements',
      [logProbabilities, emit.node('Unsqueeze', [labels!, last])],
      {
        attributes: { axis: -1 },
      },
    );
    return [emit.node('Neg', [emit.node('Squeeze', [ofLabels, last])])];
  },
  softmaxCrossEntropyGradient: (_, [g, logits, labels], { emit }) => {
    // Over a vocabulary each pass counts: the softmax, its product with g, and one number a row in place.
    const last = emit.integers([-1]);
    const column = emit.node('Unsqueeze', [g!, last]);
    const probabilities = emit.node('Softmax', [logits!], { attributes: { axis: -1 } });
    const scaled = emit.node('Mul', [probabilities, column]);
    const places = emit.node('Unsqueeze', [labels!, last]);
    return [
      emit.node('ScatterElements', [scaled, places, emit.node('Neg', [column])], {
        attributes: { axis: -1, reduction: 'add' },
      }),
    ];
  },
  argMax: (_, inputs, { emit }) => [emit.node('ArgMax', inputs, { attributes: { axis: -1, keepdims: 0 } })],
  layerNorm: ({ attributes: { epsilon } }, inputs, { emit }) =>
    // Mean and deviation are asked for even where nobody reads them: without them the engine would join this with the
    // sum before, in a kernel that is slower than the two (docs/decisions/0004-engine-facts.md).
    emit.nodeWithOutputs('LayerNormalization', inputs, {
      attributes: { axis: -1, epsilon: { float: epsilon } },
      outputs: 3,
    }),

  gather: (_, inputs, { emit }) => [emit.node('Gather', inputs, { attributes: { axis: 0 } })],
  scatterAdd: ({ inputs: [updates], attributes: { rows } }, [values, ids], { emit }) => {
    // Not ScatterND: its addition is a data race where ids repeat (docs/decisions/0004-engine-facts.md). Ids are
    // repeated along the rows instead, so that ScatterElements adds number by number, in order.
    const columns = updates!.shape.at(-1)!;
    const flatUpdates = emit.node('Reshape', [values!, emit.shape([-1, columns])]);
    const flatIds = emit.node('Reshape', [ids!, emit.integers([-1, 1])]);
    const indices = emit.node('Expand', [flatIds, emit.node('Shape', [flatUpdates])]);
    const zeros = emit.node('ConstantOfShape', [emit.shape([rows, columns])]);
    return [
      emit.node('ScatterElements', [zeros, indices, flatUpdates], {
        attributes: { axis: 0, reduction: 'add' },
      }),
    ];
  },
  oneHot: ({ attributes: { depth } }, [ids], { emit }) => {
    // Compared with 0, 1, … depth - 1 rather than ONNX's OneHot, which wraps negative ids around.
    const int64 = { attributes: { to: ELEMENT_TYPES.int64 } };
    const range = emit.node('Range', [
      emit.node('Squeeze', [emit.integers([0])]),
      emit.node('Squeeze', [emit.dim(depth)]),
      emit.node('Squeeze', [emit.integers([1])]),
    ]);
    const column = emit.node('Unsqueeze', [emit.node('Cast', [ids!], int64), emit.integers([-1])]);
    return [asFloat(emit, emit.node('Equal', [column, range]))];
  },
  dropout: ({ attributes: { rate } }, [x, mask], { emit }) => [dropped(emit, x!, mask!, rate)],
  softmaxDropout: ({ attributes: { rate } }, [x, mask], { emit }) => {
    const probabilities = emit.node('Softmax', [x!], { attributes: { axis: -1 } });
    return [dropped(emit, probabilities, mask!, rate), probabilities];
  },
  after: (_, [x, other], { emit }) => {
    // ONNX orders nodes by their data alone. A Reshape copies nothing, and its shape here is read from both.
    const nothing = emit.node('Mul', [emit.node('Size', [other!]), emit.integers([0])]);
    return [emit.node('Reshape', [x!, emit.node('Add', [emit.node('Shape', [x!]), nothing])])];
  },
  attention: ({ attributes: { heads } }, [query, key, value, mask], { emit }) => [
    emit.node('MultiHeadAttention', [query!, key!, value!, '', ...(mask === undefined ? [] : [mask])], {
      domain: 'com.microsoft',
      attributes: { num_heads: heads, mask_filter_value: { float: PADDING_SCORE } },
    }),
  ],
};

function dropped(emit: Emitter, x: string, mask: string, rate: number): string {
  // The mask's bytes are dequantised straight to 0 or 1 / (1 - rate).
  const factors = emit.node('DequantizeLinear', [mask, emit.scalar(1 / (1 - rate))]);
  return emit.node('Mul', [x, factors]);
}

function asFloat(emit: Emitter, condition: string): string {
  return emit.node('Cast', [condition], { attributes: { to: ELEMENT_TYPES.float32 } });
}

/** `Reshape` understands 0 for "as in the input" and one -1 for "the rest": most shapes need no run-time sizes. */
function reshapeTarget(emit: Emitter, from: Shape, to: Shape): string {
  const same = (axis: number): boolean => to[axis] === from[axis];
  const unknown = to.filter((dim, axis) => typeof dim === 'string' && !same(axis));
  if (unknown.length > 1) return emit.shape(to);
  return emit.integers(to.map((dim, axis) => (typeof dim === 'number' ? dim : same(axis) ? 0 : -1)));
}

function padAfter(emit: Emitter, size: Dim, before: number, total: Dim): string {
  if (typeof size === 'number' && typeof total === 'number') return emit.integers([total - before - size]);
  const sizeAndBefore = emit.node('Add', [emit.dim(size), emit.integers([before])]);
  return emit.node('Sub', [emit.dim(total), sizeAndBefore]);
}
