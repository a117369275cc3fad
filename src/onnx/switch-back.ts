/**
 * The products of a linear layer in training, multiplied in int8 with weights that change from run to run: SwitchBack
 * (Wortsman et al., 2023, https://arxiv.org/abs/2304.13013), carried further.
 *
 * - Output and input gradient: 8 bits on both sides, with one scale for each row of the activations and of the weight.
 * - Weight gradient: it sums over all tokens of a batch, where 8 bits on both sides are too few (cosine 0.98 to float32
 *   on real batches). The paper computes it in 16 bits; so do we, out of two int8 products: the upstream gradient is
 *   split into a high and a low part of 8 bits each, and x has one scale for each of its columns.
 */
import type { Shape } from '../graph/index.ts';
import type { Emitter } from './emitter.ts';

/** Products smaller than this, such as a head's, gain nothing from int8. */
const LEAST_INT8_SIZE = 64;
const INT8_LIMIT = 127;
/** Where activations are unsigned, as the engine's fast kernel wants one side to be, this stands for 0. */
const UINT8_ZERO = 128;
/** What is left after rounding to 8 bits lies within half a step: 254 of these finer steps make one step. */
const LOW_STEPS = 254;
/** Keeps the scale of zeros from being zero, and that of the low part from being a denormal number. */
const LEAST_SCALE = 1e-30;

/** Whether the int8 products of training apply to a weight of this shape. */
export function gainsFromInt8(weight: Shape): boolean {
  return weight.every((dim) => typeof dim === 'number' && dim >= LEAST_INT8_SIZE);
}

/** A matrix in 8 bits, and its scales: one a row, one a column, or one in all. */
interface Quantized {
  readonly values: string;
  readonly scales: string;
}

/** A matrix as the sum of two in 8 bits. */
interface Split {
  readonly high: Quantized;
  readonly low: Quantized;
}

/** The int8 products of training. Quantised forms are made once and shared by all who multiply with them. */
export class SwitchBack {
  readonly #emit: Emitter;

  constructor(emit: Emitter) {
    this.#emit = emit;
  }

  /** x [..., I] weightᵀ + bias, for a result of the given shape [..., O]. */
  linear(x: string, weight: string, bias: string | undefined, [, inputs]: Shape, shape: Shape): string {
    const emit = this.#emit;
    const rows = this.#quantizeRows(x, inputs as number);
    const quantized = this.#quantizeWeight(weight);
    const transposed = emit.node('Transpose', [quantized.values], { attributes: { perm: [1, 0] } });
    const product = this.#multiplyRows(rows, transposed, quantized.scales);
    const flat = bias === undefined ? product : emit.node('Add', [product, bias]);
    return emit.node('Reshape', [flat, emit.shape(shape)]);
  }

  /** g [..., O] weight: the gradient of the input, of the given shape [..., I]. */
  inputGradient(g: string, weight: string, [outputs]: Shape, shape: Shape): string {
    const emit = this.#emit;
    const quantized = this.#quantizeWeight(weight);
    // g W = g diag(scales) Q: the scales of the weight's rows go into g, and the same Q serves both directions.
    const scaled = emit.node('Mul', [g, quantized.scales]);
    const rows = this.#quantizeRows(scaled, outputs as number);
    const product = this.#multiplyRows(rows, quantized.values, emit.scalar(1));
    return emit.node('Reshape', [product, emit.shape(shape)]);
  }

  /** gᵀ x over all rows of g [..., O] and x [..., I], which has so many axes: the gradient of the weight, [O, I]. */
  weightGradient(g: string, x: string, [outputs, inputs]: Shape, rank: number): string {
    const emit = this.#emit;
    const { high, low } = this.#splitTransposed(g, outputs as number);
    const columns = this.#quantizeColumns(x, inputs as number, rank);
    const [coarse, fine] = [high, low].map((part) =>
      this.#multiply(part.values, columns.values, part.scales, columns.scales),
    );
    return emit.node('Add', [coarse!, fine!]);
  }

  /** int8 [N, K] times int8 [K, columns] in float32, each row times its scale. */
  #multiplyRows(rows: Quantized, matrix: string, matrixScales: string): string {
    const emit = this.#emit;
    const product = this.#multiply(rows.values, matrix, emit.scalar(1), matrixScales);
    const scales = emit.node('Reshape', [rows.scales, emit.integers([-1, 1])]);
    return emit.node('Mul', [product, scales]);
  }

  /** uint8 [N, K] times int8 [K, columns] in float32, times one scale and one for each column. */
  #multiply(unsigned: string, signed: string, scale: string, columnScales: string): string {
    const emit = this.#emit;
    const inputs = [unsigned, signed, scale, columnScales, emit.uint8(UINT8_ZERO)];
    return emit.node('MatMulIntegerToFloat', inputs, { domain: 'com.microsoft' });
  }

  /** x [..., columns] as uint8 [N, columns], with a scale for each row. */
  #quantizeRows(x: string, columns: number): Quantized {
    return this.#emit.once(`rows of ${x}`, () => {
      const emit = this.#emit;
      const flat = this.#asMatrix(x, columns);
      const scales = this.#scales(flat, [1]);
      const zeros = emit.filled('uint8', UINT8_ZERO, emit.node('Shape', [scales]));
      const values = emit.node('QuantizeLinear', [flat, scales, zeros], { attributes: { axis: 0 } });
      return { values, scales };
    });
  }

  /** weight [O, I] as int8, with a scale for each row. */
  #quantizeWeight(weight: string): Quantized {
    return this.#emit.once(`weight ${weight}`, () => {
      const emit = this.#emit;
      const scales = this.#scales(weight, [1]);
      const zeros = emit.filled('int8', 0, emit.node('Shape', [scales]));
      const values = emit.node('QuantizeLinear', [weight, scales, zeros], { attributes: { axis: 0 } });
      return { values, scales };
    });
  }

  /** x [..., columns] as int8 [N, columns], with a scale for each column. */
  #quantizeColumns(x: string, columns: number, rank: number): Quantized {
    return this.#emit.once(`columns of ${x}`, () => {
      const emit = this.#emit;
      const flat = this.#asMatrix(x, columns);
      // One axis after the other: for BERT's [B, S, I] that is three times as fast as over all rows at once.
      const axes = Array.from({ length: rank - 1 }, (_, i) => [rank - 2 - i]);
      const scales = this.#scales(x, ...axes);
      // The engine quantises by columns number by number; divided beforehand, one step of 1 fits all.
      const steps = emit.node('Mul', [flat, emit.node('Reciprocal', [scales])]);
      return { values: emit.node('QuantizeLinear', [steps, emit.scalar(1), emit.int8(0)]), scales };
    });
  }

  /** g [..., columns] as two uint8 [columns, N], with one scale each. */
  #splitTransposed(g: string, columns: number): Split {
    return this.#emit.once(`halves of ${g}`, () => {
      const emit = this.#emit;
      const zero = emit.uint8(UINT8_ZERO);
      const flat = this.#asMatrix(g, columns);
      const highScale = this.#scales(flat, [0, 1]);
      const high = emit.node('QuantizeLinear', [flat, highScale, zero]);
      const rest = emit.node('Sub', [flat, emit.node('DequantizeLinear', [high, highScale, zero])]);
      const lowScale = emit.node('Mul', [highScale, emit.scalar(1 / LOW_STEPS)]);
      const low = emit.node('QuantizeLinear', [rest, lowScale, zero]);
      const transposed = (values: string): string =>
        emit.node('Transpose', [values], { attributes: { perm: [1, 0] } });
      return {
        high: { values: transposed(high), scales: highScale },
        low: { values: transposed(low), scales: lowScale },
      };
    });
  }

  /**
   * The largest magnitude along the axes, over 127; several sets of axes are reduced one after the other. It is found
   * without a tensor of magnitudes, which would be kept from the forward to the backward pass.
   */
  #scales(x: string, ...axes: readonly (readonly number[])[]): string {
    const emit = this.#emit;
    const reduce = (opType: string): string =>
      axes.reduce(
        (value, some) => emit.node(opType, [value, emit.integers(some)], { attributes: { keepdims: 0 } }),
        x,
      );
    const largest = emit.node('Max', [reduce('ReduceMax'), emit.node('Neg', [reduce('ReduceMin')])]);
    return emit.node('Max', [
      emit.node('Mul', [largest, emit.scalar(1 / INT8_LIMIT)]),
      emit.scalar(LEAST_SCALE),
    ]);
  }

  #asMatrix(x: string, columns: number): string {
    const emit = this.#emit;
    return this.#emit.once(`matrix ${x}`, () => emit.node('Reshape', [x, emit.integers([-1, columns])]));
  }
}
