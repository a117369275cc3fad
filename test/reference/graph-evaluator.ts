/**
 * What a graph means, in float64: each operation as plain loops, written from its definition in `src/graph/ops.ts` and
 * sharing no code with the engine. Gradients are checked against its finite differences, and the engine against it.
 */
import {
  evaluateDim,
  nodesOf,
  PADDING_SCORE,
  type Node,
  type OpName,
  type Shape,
  type Tensor,
} from '../../src/graph/index.ts';
import {
  broadcastPlaces,
  broadcastShapes,
  map,
  rowsOf,
  sizeOf,
  stridedPlaces,
  stridesOf,
  take,
  zeros,
  zip,
  type DenseArray,
} from './dense-array.ts';
import { erf, gelu, geluDerivative, logSumExp, moments, softmaxInPlace } from './special-functions.ts';

interface Context<Name extends OpName> {
  readonly attributes: Node<Name>['attributes'];
  readonly feeds: Readonly<Record<string, DenseArray>>;
  readonly sizesOf: (shape: Shape) => number[];
}

type Evaluation<Name extends OpName> = (
  inputs: readonly DenseArray[],
  context: Context<Name>,
) => readonly DenseArray[];

const unary =
  (f: (x: number) => number) =>
  ([x]: readonly DenseArray[]): DenseArray[] => [map(x!, f)];

const binary =
  (f: (x: number, y: number) => number) =>
  ([a, b]: readonly DenseArray[]): DenseArray[] => [zip(a!, b!, f)];

const evaluations: { readonly [Name in OpName]: Evaluation<Name> } = {
  input: (_, { attributes: { name }, feeds }) => [feeds[name]!],
  constant: (_, { attributes: { data, shape } }) => [
    { shape, data: Float64Array.from(data as Float32Array, Number) },
  ],

  add: binary((x, y) => x + y),
  subtract: binary((x, y) => x - y),
  multiply: binary((x, y) => x * y),
  divide: binary((x, y) => x / y),
  negate: unary((x) => -x),
  exp: unary(Math.exp),
  sqrt: unary(Math.sqrt),
  erf: unary(erf),
  tanh: unary(Math.tanh),
  relu: unary((x) => Math.max(x, 0)),
  gelu: unary(gelu),
  geluDerivative: unary(geluDerivative),
  equal: binary((x, y) => Number(x === y)),
  greater: binary((x, y) => Number(x > y)),
  cast: ([x], { attributes: { dtype } }) => {
    if (dtype === 'float32') return [x!];
    return [map(x!, dtype === 'bool' ? (value) => Number(value !== 0) : Math.trunc)];
  },

  matmul: ([a, b], { attributes }) => [matmul(a!, b!, attributes)],
  linear: ([x, weight, bias]) => {
    const [outputs, inputs] = weight!.shape as [number, number];
    const y = zeros([...x!.shape.slice(0, -1), outputs]);
    rowsOf(y).forEach((row, i) => {
      for (let o = 0; o < outputs; o++) {
        let total = bias?.data[o] ?? 0;
        for (let k = 0; k < inputs; k++) total += x!.data[i * inputs + k]! * weight!.data[o * inputs + k]!;
        row[o] = total;
      }
    });
    return [y];
  },
  linearInputGradient: ([g, weight]) => {
    const [outputs, inputs] = weight!.shape as [number, number];
    const dx = zeros([...g!.shape.slice(0, -1), inputs]);
    rowsOf(dx).forEach((row, i) => {
      for (let k = 0; k < inputs; k++) {
        let total = 0;
        for (let o = 0; o < outputs; o++) total += g!.data[i * outputs + o]! * weight!.data[o * inputs + k]!;
        row[k] = total;
      }
    });
    return [dx];
  },
  linearWeightGradient: ([g, x]) => {
    const [outputs, inputs] = [g!.shape.at(-1)!, x!.shape.at(-1)!];
    const dWeight = zeros([outputs, inputs]);
    rowsOf(g!).forEach((row, i) => {
      for (let o = 0; o < outputs; o++)
        for (let k = 0; k < inputs; k++) dWeight.data[o * inputs + k]! += row[o]! * x!.data[i * inputs + k]!;
    });
    return [dWeight];
  },

  reshape: ([x], { attributes: { shape }, sizesOf }) => [{ shape: sizesOf(shape), data: x!.data }],
  transpose: ([x], { attributes: { permutation } }) => {
    const shape = permutation.map((axis) => x!.shape[axis]!);
    const strides = permutation.map((axis) => stridesOf(x!.shape)[axis]!);
    return [take(x!, stridedPlaces(shape, strides), shape)];
  },
  broadcastTo: ([x], { attributes, sizesOf }) => {
    const shape = sizesOf(attributes.shape);
    return [take(x!, broadcastPlaces(x!.shape, shape), shape)];
  },
  slice: ([x], { attributes: { axis, start, end }, sizesOf }) => {
    const shape = x!.shape.map((size, i) => (i === axis ? sizesOf([end])[0]! - start : size));
    const strides = stridesOf(x!.shape);
    const places = stridedPlaces(shape, strides).map((place) => place + start * strides[axis]!);
    return [take(x!, places, shape)];
  },
  pad: ([x], { attributes: { axis, before, shape }, sizesOf }) => {
    const y = zeros(sizesOf(shape));
    const strides = stridesOf(y.shape);
    stridedPlaces(x!.shape, strides).forEach(
      (place, i) => (y.data[place + before * strides[axis]!] = x!.data[i]!),
    );
    return [y];
  },

  sum: ([x], { attributes: { axes, keepDims } }) => {
    const kept = zeros(x!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)));
    broadcastPlaces(kept.shape, x!.shape).forEach((place, i) => (kept.data[place]! += x!.data[i]!));
    return [
      { shape: keepDims ? kept.shape : x!.shape.filter((_, axis) => !axes.includes(axis)), data: kept.data },
    ];
  },
  softmax: ([x]) => {
    const y = map(x!, (value) => value);
    rowsOf(y).forEach(softmaxInPlace);
    return [y];
  },
  logSoftmax: ([x]) => {
    const y = map(x!, (value) => value);
    for (const row of rowsOf(y)) {
      const shift = logSumExp(row);
      row.forEach((value, i) => (row[i] = value - shift));
    }
    return [y];
  },
  softmaxCrossEntropy: ([logits, labels]) => {
    const losses = rowsOf(logits!).map((row, i) => logSumExp(row) - row[labels!.data[i]!]!);
    return [{ shape: labels!.shape, data: Float64Array.from(losses) }];
  },
  softmaxCrossEntropyGradient: ([g, logits, labels]) => {
    const y = map(logits!, (value) => value);
    rowsOf(y).forEach((row, i) => {
      softmaxInPlace(row);
      row[labels!.data[i]!]! -= 1;
      row.forEach((value, j) => (row[j] = value * g!.data[i]!));
    });
    return [y];
  },
  argMax: ([x]) => {
    const places = rowsOf(x!).map((row) => row.indexOf(Math.max(...row)));
    return [{ shape: x!.shape.slice(0, -1), data: Float64Array.from(places) }];
  },
  layerNorm: ([x, weight, bias], { attributes: { epsilon } }) => {
    const y = zeros(x!.shape);
    const means = zeros([...x!.shape.slice(0, -1), 1]);
    const inverseDeviations = zeros(means.shape);
    rowsOf(x!).forEach((row, i) => {
      const { mean, inverseDeviation } = moments(row, epsilon);
      means.data[i] = mean;
      inverseDeviations.data[i] = inverseDeviation;
      row.forEach((value, j) => {
        y.data[i * row.length + j] = (value - mean) * inverseDeviation * weight!.data[j]! + bias!.data[j]!;
      });
    });
    return [y, means, inverseDeviations];
  },

  gather: ([table, ids]) => {
    const columns = table!.shape[1]!;
    const y = zeros([...ids!.shape, columns]);
    ids!.data.forEach((id, i) =>
      y.data.set(table!.data.subarray(id * columns, (id + 1) * columns), i * columns),
    );
    return [y];
  },
  scatterAdd: ([updates, ids], { attributes: { rows }, sizesOf }) => {
    const columns = updates!.shape.at(-1)!;
    const y = zeros(sizesOf([rows, columns]));
    ids!.data.forEach((id, i) => {
      for (let j = 0; j < columns; j++) y.data[id * columns + j]! += updates!.data[i * columns + j]!;
    });
    return [y];
  },
  oneHot: ([ids], { attributes, sizesOf }) => {
    const [depth] = sizesOf([attributes.depth]) as [number];
    const y = zeros([...ids!.shape, depth]);
    ids!.data.forEach((id, i) => {
      if (id >= 0 && id < depth) y.data[i * depth + id] = 1;
    });
    return [y];
  },
  dropout: ([x, mask], { attributes: { rate } }) => [
    zip(x!, mask!, (value, keep) => (value * keep) / (1 - rate)),
  ],
  softmaxDropout: ([x, mask], { attributes: { rate } }) => {
    const probabilities = map(x!, (value) => value);
    rowsOf(probabilities).forEach(softmaxInPlace);
    return [zip(probabilities, mask!, (value, keep) => (value * keep) / (1 - rate)), probabilities];
  },
  after: ([x]) => [x!],
  attention: ([query, key, value, mask], { attributes: { heads } }) => [
    attention(query!, key!, value!, mask, heads),
  ],
};

function matmul(
  a: DenseArray,
  b: DenseArray,
  { transposeA, transposeB, scale }: Node<'matmul'>['attributes'],
): DenseArray {
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const n = transposeB ? rowsB : columnsB;
  const leading = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const matrixB = broadcastPlaces(b.shape.slice(0, -2), leading);
  const y = zeros([...leading, m, n]);
  broadcastPlaces(a.shape.slice(0, -2), leading).forEach((matrixA, batch) => {
    const [startA, startB] = [matrixA * m * k, matrixB[batch]! * k * n];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let l = 0; l < k; l++) {
          const left = a.data[startA + (transposeA ? l * m + i : i * k + l)]!;
          const right = b.data[startB + (transposeB ? j * k + l : l * n + j)]!;
          total += left * right;
        }
        y.data[(batch * m + i) * n + j] = total * scale;
      }
    }
  });
  return y;
}

/** Head n of a row [H] is its part n D to (n + 1) D. */
function attention(
  query: DenseArray,
  key: DenseArray,
  value: DenseArray,
  mask: DenseArray | undefined,
  heads: number,
): DenseArray {
  const [batch, sequence, hidden] = query.shape as [number, number, number];
  const size = hidden / heads;
  const y = zeros(query.shape);
  for (let b = 0; b < batch; b++) {
    for (let n = 0; n < heads; n++) {
      const start = (s: number): number => (b * sequence + s) * hidden + n * size;
      for (let i = 0; i < sequence; i++) {
        const scores = new Float64Array(sequence);
        for (let j = 0; j < sequence; j++) {
          for (let d = 0; d < size; d++) scores[j]! += query.data[start(i) + d]! * key.data[start(j) + d]!;
          scores[j]! /= Math.sqrt(size);
          if (mask?.data[b * sequence + j] === 0) scores[j]! += PADDING_SCORE;
        }
        softmaxInPlace(scores);
        for (let j = 0; j < sequence; j++) {
          for (let d = 0; d < size; d++) y.data[start(i) + d]! += scores[j]! * value.data[start(j) + d]!;
        }
      }
    }
  }
  return y;
}

/** The values of the tensors, when the graph's inputs have these. */
export function evaluate(
  tensors: readonly Tensor[],
  feeds: Readonly<Record<string, DenseArray>>,
): DenseArray[] {
  const nodes = nodesOf(tensors);
  const letters = bindLetters(nodes, feeds);
  const sizesOf = (shape: Shape): number[] => shape.map((dim) => evaluateDim(dim, letters));
  const values = new Map<Tensor, DenseArray>();
  for (const node of nodes) {
    const inputs = node.inputs.map((tensor) => values.get(tensor)!);
    const evaluation = evaluations[node.op] as Evaluation<OpName>;
    const outputs = evaluation(inputs, { attributes: node.attributes, feeds, sizesOf });
    node.outputs.forEach((tensor, i) => {
      const { shape, data } = outputs[i]!;
      const declared = sizesOf(tensor.shape);
      if (declared.join() !== shape.join() || sizeOf(shape) !== data.length) {
        throw new Error(
          `${tensor.toString()}: the shape rule says [${declared.join()}], its value has [${shape.join()}]`,
        );
      }
      values.set(tensor, outputs[i]!);
    });
  }
  return tensors.map((tensor) => values.get(tensor)!);
}

function bindLetters(
  nodes: readonly Node[],
  feeds: Readonly<Record<string, DenseArray>>,
): Map<string, number> {
  const letters = new Map<string, number>();
  for (const node of nodes) {
    if (node.op !== 'input') continue;
    const { name, shape } = node.attributes as Node<'input'>['attributes'];
    shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && !dim.includes('*')) letters.set(dim, feeds[name]!.shape[axis]!);
    });
  }
  return letters;
}
