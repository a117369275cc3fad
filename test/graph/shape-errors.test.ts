/** What is refused while a graph is built, and in which words: what was expected, what came, and where. */
import { describe, expect, it } from 'vitest';
import * as graph from '../../src/graph/index.ts';
import type { Dim, DType, OpName, Tensor } from '../../src/graph/index.ts';
import { shapeRules } from '../../src/graph/shape-rules.ts';
import { BertramError } from '../../src/support/errors.ts';

const float = (...shape: Dim[]): Tensor => graph.input('x', 'float32', shape);
const typed = (dtype: DType, ...shape: Dim[]): Tensor => graph.input('x', dtype, shape);

/** The message, and the place in it that it names. */
function refusal(build: () => unknown): { message: string; place: string | undefined } {
  try {
    build();
  } catch (error) {
    expect(error).toBeInstanceOf(BertramError);
    expect((error as BertramError).code).toBe('bad-graph');
    const { message } = error as Error;
    const [whole, place] = / \(([^()]*:\d+:\d+)\)$/.exec(message) ?? ['', undefined];
    return { message: message.slice(0, message.length - whole.length), place };
  }
  throw new Error('it was not refused');
}

type Refusal = readonly [message: string, build: () => unknown];

/** What each operation refuses. A row that is missing does not compile. */
const REFUSALS: { readonly [Name in OpName]: readonly Refusal[] } = {
  input: [
    ['input: expected axes such as 7, B and 2*B*S, not 0.5', () => float(0.5)],
    ['input: expected axes such as 7, B and 2*B*S, not -1', () => float(-1)],
    ['input: expected axes such as 7, B and 2*B*S, not "S*B"', () => float('S*B')],
    ['input: expected axes such as 7, B and 2*B*S, not ""', () => float('')],
  ],
  constant: [
    [
      'constant: expected 2 numbers for [2], got 3',
      () => graph.constant(new Float32Array(3), 'float32', [2]),
    ],
    [
      'constant: expected numbers of float32, got Int32Array',
      () => graph.constant(new Int32Array(2), 'float32', [2]),
    ],
  ],
  add: [
    [
      'add: expected shapes that broadcast, got float32[13, 7] and float32[13]',
      () => graph.add(float(13, 7), float(13)),
    ],
    [
      'add: expected inputs of one data type, got float32[7] and int32[7]',
      () => graph.add(float(7), typed('int32', 7)),
    ],
  ],
  subtract: [
    [
      'subtract: expected shapes that broadcast, got float32[B, 7] and float32[S, 7]',
      () => graph.subtract(float('B', 7), float('S', 7)),
    ],
  ],
  multiply: [
    [
      'multiply: expected inputs of one data type, got int32[7] and float32[]',
      () => graph.multiply(typed('int32', 7), 2),
    ],
  ],
  divide: [
    [
      'divide: expected shapes that broadcast, got float32[B] and float32[13]',
      () => graph.divide(float('B'), float(13)),
    ],
  ],
  negate: [['negate: expected float32, got int32[7]', () => graph.negate(typed('int32', 7))]],
  exp: [['exp: expected float32, got uint8[7]', () => graph.exp(typed('uint8', 7))]],
  sqrt: [['sqrt: expected float32, got int64[7]', () => graph.sqrt(typed('int64', 7))]],
  erf: [['erf: expected float32, got int8[7]', () => graph.erf(typed('int8', 7))]],
  tanh: [['tanh: expected float32, got bool[7]', () => graph.tanh(typed('bool', 7))]],
  relu: [['relu: expected float32, got int32[7]', () => graph.relu(typed('int32', 7))]],
  gelu: [['gelu: expected float32, got int32[7]', () => graph.gelu(typed('int32', 7))]],
  geluDerivative: [
    ['geluDerivative: expected float32, got int32[7]', () => graph.geluDerivative(typed('int32', 7))],
  ],
  equal: [
    [
      'equal: expected inputs of one data type, got int32[7] and float32[]',
      () => graph.equal(typed('int32', 7), 1),
    ],
  ],
  greater: [
    [
      'greater: expected shapes that broadcast, got float32[7] and float32[8]',
      () => graph.greater(float(7), float(8)),
    ],
  ],
  cast: [],
  matmul: [
    [
      'matmul: expected inner axes that agree, got float32[13, 7, 32] and float32[30, 32] in bert.encoder',
      () =>
        graph.scoped('bert', () =>
          graph.scoped('encoder', () => graph.matmul(float(13, 7, 32), float(30, 32))),
        ),
    ],
    [
      'matmul: expected inner axes that agree, got float32[13, 7] and float32[13, 7]',
      () => graph.matmul(float(13, 7), float(13, 7), { transposeA: true, transposeB: true }),
    ],
    [
      'matmul: expected inputs of rank 2 or more, got float32[32] and float32[32, 2]',
      () => graph.matmul(float(32), float(32, 2)),
    ],
    [
      'matmul: expected leading axes that broadcast, got float32[3, 13, 7] and float32[4, 7, 5]',
      () => graph.matmul(float(3, 13, 7), float(4, 7, 5)),
    ],
    [
      'matmul: expected float32, got float32[13, 7] and int8[7, 5]',
      () => graph.matmul(float(13, 7), typed('int8', 7, 5)),
    ],
  ],
  linear: [
    [
      "linear: expected x's last axis to be weight's, got float32[B, S, 32] and float32[32, 37]",
      () => graph.linear(float('B', 'S', 32), float(32, 37)),
    ],
    [
      "linear: expected a bias of weight's first axis, got float32[B, 32] and float32[37, 32] and float32[32]",
      () => graph.linear(float('B', 32), float(37, 32), float(32)),
    ],
    [
      'linear: expected x of rank 2 or more, got float32[32] and float32[37, 32]',
      () => graph.linear(float(32), float(37, 32)),
    ],
    [
      'linear: expected a weight of rank 2, got float32[B, 32] and float32[2, 37, 32]',
      () => graph.linear(float('B', 32), float(2, 37, 32)),
    ],
    [
      'linear: expected float32, got int32[B, 32] and float32[37, 32]',
      () => graph.linear(typed('int32', 'B', 32), float(37, 32)),
    ],
  ],
  linearInputGradient: [
    [
      "linearInputGradient: expected g's last axis to be weight's first, got float32[B, 32] and float32[37, 32]",
      () => graph.linearInputGradient(float('B', 32), float(37, 32)),
    ],
    [
      'linearInputGradient: expected float32, got float32[B, 32] and int8[32, 37]',
      () => graph.linearInputGradient(float('B', 32), typed('int8', 32, 37)),
    ],
  ],
  linearWeightGradient: [
    [
      'linearWeightGradient: expected leading axes that are the same, got float32[B, S, 37] and float32[B, 7, 32]',
      () => graph.linearWeightGradient(float('B', 'S', 37), float('B', 7, 32)),
    ],
    [
      'linearWeightGradient: expected inputs of rank 2 or more, got float32[37] and float32[32]',
      () => graph.linearWeightGradient(float(37), float(32)),
    ],
    [
      'linearWeightGradient: expected float32, got float32[B, 37] and int8[B, 32]',
      () => graph.linearWeightGradient(float('B', 37), typed('int8', 'B', 32)),
    ],
  ],

  reshape: [
    [
      'reshape: expected as many numbers as [S, 7], got float32[B, 7]',
      () => graph.reshape(float('B', 7), ['S', 7]),
    ],
    [
      'reshape: expected as many numbers as [90], got float32[13, 7]',
      () => graph.reshape(float(13, 7), [90]),
    ],
  ],
  transpose: [
    [
      'transpose: expected rank 2 and each axis once in [1, 0], got float32[13, 7, 32]',
      () => graph.transpose(float(13, 7, 32), [1, 0]),
    ],
    [
      'transpose: expected rank 2 and each axis once in [0, 0], got float32[13, 7]',
      () => graph.transpose(float(13, 7), [0, 0]),
    ],
  ],
  broadcastTo: [
    [
      'broadcastTo: expected a shape that broadcasts to [7], got float32[13, 7]',
      () => graph.broadcastTo(float(13, 7), [7]),
    ],
    [
      'broadcastTo: expected a shape that broadcasts to [13, 7], got float32[13]',
      () => graph.broadcastTo(float(13), [13, 7]),
    ],
  ],
  slice: [
    ['slice: expected 3 to 8 inside axis 1, got float32[13, 7]', () => graph.slice(float(13, 7), 1, 3, 8)],
    [
      'slice: expected an axis from -2 to 1, not 2, got float32[13, 7]',
      () => graph.slice(float(13, 7), 2, 0, 1),
    ],
    [
      'slice: expected an axis from -2 to 1, not -3, got float32[13, 7]',
      () => graph.slice(float(13, 7), -3, 0, 1),
    ],
    ['slice: expected 3 to 3 inside axis 1, got float32[B, S]', () => graph.slice(float('B', 'S'), 1, 3, 3)],
    [
      'slice: expected -1 to 3 inside axis 1, got float32[B, S]',
      () => graph.slice(float('B', 'S'), 1, -1, 3),
    ],
    [
      'slice: expected 1 to S inside axis 1, got float32[B, S]',
      () => graph.slice(float('B', 'S'), 1, 1, 'S'),
    ],
    [
      'slice: expected 0.5 to 1.5 inside axis 1, got float32[B, S]',
      () => graph.slice(float('B', 'S'), 1, 0.5, 1.5),
    ],
  ],
  pad: [
    [
      'pad: expected room for axis 1 from 2 in [13, 8], got float32[13, 7]',
      () => graph.pad(float(13, 7), 1, 2, [13, 8]),
    ],
    [
      'pad: expected room for axis 1 from -1 in [13, 8], got float32[13, 7]',
      () => graph.pad(float(13, 7), 1, -1, [13, 8]),
    ],
    [
      'pad: expected [14, 8] in all axes but 1, got float32[13, 7]',
      () => graph.pad(float(13, 7), 1, 0, [14, 8]),
    ],
    [
      'pad: expected an axis from -2 to 1, not 2, got float32[13, 7]',
      () => graph.pad(float(13, 7), 2, 0, [13, 7]),
    ],
  ],
  sum: [
    ['sum: expected an axis from -2 to 1, not 2, got float32[13, 7]', () => graph.sum(float(13, 7), [2])],
    ['sum: expected each axis once in [0, 0], got float32[13, 7]', () => graph.sum(float(13, 7), [0, -2])],
  ],
  softmax: [
    ['softmax: expected rank 1 or more, got float32[]', () => graph.softmax(float())],
    ['softmax: expected float32, got int32[7]', () => graph.softmax(typed('int32', 7))],
  ],
  logSoftmax: [['logSoftmax: expected rank 1 or more, got float32[]', () => graph.logSoftmax(float())]],
  softmaxCrossEntropy: [
    [
      'softmaxCrossEntropy: expected one label for each row of logits, got float32[P, 99] and int32[B]',
      () => graph.softmaxCrossEntropy(float('P', 99), typed('int32', 'B')),
    ],
    [
      'softmaxCrossEntropy: expected integer labels, got float32[P, 99] and float32[P]',
      () => graph.softmaxCrossEntropy(float('P', 99), float('P')),
    ],
  ],
  softmaxCrossEntropyGradient: [
    [
      'softmaxCrossEntropyGradient: expected one g for each label, got float32[] and float32[P, 99] and int32[P]',
      () => graph.softmaxCrossEntropyGradient(float(), float('P', 99), typed('int32', 'P')),
    ],
  ],
  argMax: [['argMax: expected rank 1 or more, got float32[]', () => graph.argMax(float())]],
  layerNorm: [
    [
      "layerNorm: expected a weight of x's last axis, got float32[B, 32] and float32[7] and float32[32]",
      () => graph.layerNorm(float('B', 32), float(7), float(32), 1e-12),
    ],
    [
      "layerNorm: expected a bias of x's last axis, got float32[B, 32] and float32[32] and float32[1]",
      () => graph.layerNorm(float('B', 32), float(32), float(1), 1e-12),
    ],
    [
      'layerNorm: expected float32, got int32[B, 32] and float32[32] and float32[32]',
      () => graph.layerNorm(typed('int32', 'B', 32), float(32), float(32), 1e-12),
    ],
  ],
  gather: [
    [
      'gather: expected a table of rank 2, got float32[99] and int32[B]',
      () => graph.gather(float(99), typed('int32', 'B')),
    ],
    [
      'gather: expected integer ids, got float32[99, 32] and float32[B]',
      () => graph.gather(float(99, 32), float('B')),
    ],
    [
      'gather: expected integer ids, got float32[99, 32] and uint8[B]',
      () => graph.gather(float(99, 32), typed('uint8', 'B')),
    ],
  ],
  scatterAdd: [
    [
      'scatterAdd: expected one row of updates for each id, got float32[B, S, 32] and int32[B]',
      () => graph.scatterAdd(float('B', 'S', 32), typed('int32', 'B'), 99),
    ],
    [
      'scatterAdd: expected integer ids, got float32[B, 32] and float32[B]',
      () => graph.scatterAdd(float('B', 32), float('B'), 99),
    ],
    [
      'scatterAdd: expected axes such as 7, B and 2*B*S, not 9.5, got float32[B, 32] and int32[B]',
      () => graph.scatterAdd(float('B', 32), typed('int32', 'B'), 9.5),
    ],
  ],
  oneHot: [['oneHot: expected integer ids, got float32[B]', () => graph.oneHot(float('B'), 7)]],
  dropout: [
    [
      "dropout: expected a uint8 mask of x's shape, got float32[B, S] and uint8[B, 7]",
      () => graph.dropout(float('B', 'S'), typed('uint8', 'B', 7), 0.1),
    ],
    [
      "dropout: expected a uint8 mask of x's shape, got float32[B] and bool[B]",
      () => graph.dropout(float('B'), typed('bool', 'B'), 0.1),
    ],
    [
      'dropout: expected a rate from 0 to below 1 (not 1), got float32[B] and uint8[B]',
      () => graph.dropout(float('B'), typed('uint8', 'B'), 1),
    ],
  ],
  softmaxDropout: [
    [
      "softmaxDropout: expected a uint8 mask of x's shape, got float32[B, S] and uint8[B, 7]",
      () => graph.softmaxDropout(float('B', 'S'), typed('uint8', 'B', 7), 0.1),
    ],
    [
      'softmaxDropout: expected x of rank 1 or more, got float32[] and uint8[]',
      () => graph.softmaxDropout(float(), typed('uint8'), 0.1),
    ],
  ],
  after: [],
  attention: [
    [
      'attention: expected H to be a multiple of 5 heads, got float32[B, S, 32] and float32[B, S, 32] and float32[B, S, 32]',
      () => graph.attention(float('B', 'S', 32), float('B', 'S', 32), float('B', 'S', 32), undefined, 5),
    ],
    [
      'attention: expected query, key and value alike, got float32[B, S, 32] and float32[B, P, 32] and float32[B, S, 32]',
      () => graph.attention(float('B', 'S', 32), float('B', 'P', 32), float('B', 'S', 32), undefined, 4),
    ],
    [
      'attention: expected query [B, S, H], got float32[S, 32] and float32[S, 32] and float32[S, 32]',
      () => graph.attention(float('S', 32), float('S', 32), float('S', 32), undefined, 4),
    ],
    [
      'attention: expected a mask int32[B, S], got float32[B, S, 32] and float32[B, S, 32] and float32[B, S, 32] and int64[B, S]',
      () => {
        const x = float('B', 'S', 32);
        return graph.attention(x, x, x, typed('int64', 'B', 'S'), 4);
      },
    ],
    [
      'attention: expected H to be a multiple of 0.5 heads, got float32[B, S, 32] and float32[B, S, 32] and float32[B, S, 32]',
      () => {
        const x = float('B', 'S', 32);
        return graph.attention(x, x, x, undefined, 0.5);
      },
    ],
  ],
};

it('has a row for every operation that has a shape rule', () => {
  expect(Object.keys(REFUSALS).sort()).toEqual(Object.keys(shapeRules).sort());
});

describe('refusals', () => {
  const rows = Object.values(REFUSALS).flat();

  it.each(rows)('%s', (message, build) => {
    const refused = refusal(build);
    expect(refused.message).toBe(message);
    expect(refused.place).toMatch(/test\/graph\/shape-errors\.test\.ts:\d+:\d+$/);
  });

  it('name the line of the model', () => {
    const refused = refusal(() => graph.softmax(float()));
    const [, lineBelow] = new Error().stack!.split('\n');
    const lineOf = (text: string): number => Number(/shape-errors\.test\.ts:(\d+)/.exec(text)![1]);
    expect(lineOf(refused.place!)).toBe(lineOf(lineBelow!) - 1);
  });

  it('of a mean over an axis whose size is not known, or taken twice', () => {
    const [unknown, twice] = [[0], [1, -1]].map(
      (axes) => refusal(() => graph.mean(float('B', 7), axes)).message,
    );
    expect(unknown!.replace(/_\d+/, '_N')).toMatchInlineSnapshot(
      `"mean: expected axes of fixed size, got axis 0 of input_N: float32[B, 7]"`,
    );
    expect(twice).toMatchInlineSnapshot(`"sum: expected each axis once in [1, 1], got float32[B, 7]"`);
  });
});
