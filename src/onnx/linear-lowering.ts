/**
 * The linear layer in ONNX, in the precisions it can have.
 *
 * - float32;
 * - int8 with weights quantised beforehand and baked in, for inference: activations get one scale a batch;
 * - int8 with weights that are fed and may change from run to run, for training: SwitchBack (Wortsman et al., 2023,
 *   https://arxiv.org/abs/2304.13013), in which the products for the output and for the input's gradient are int8, with
 *   one scale for each row of the activations and of the weight, and the weight's gradient is float32.
 */
import type { Shape } from '../graph/index.ts';
import type { Emitter } from './emitter.ts';

/** A weight matrix [O, I] in int8 with one scale for each row: row o holds values[o, :] * scales[o]. */
export interface Int8Weight {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

/** Products smaller than this, such as a head's, gain nothing from int8. */
const LEAST_INT8_SIZE = 64;
const INT8_LIMIT = 127;
/** Activations are unsigned, as the engine's fast kernel wants one side to be. */
const UINT8_ZERO = 128;
/** Keeps the scale of a row of zeros from being zero. */
const LEAST_SCALE = 1e-30;

/** FusedMatMul: scale * a' b', with the last two axes of either side transposed where asked. */
export function fusedMatMul(
  emit: Emitter,
  inputs: readonly string[],
  transposeA: boolean,
  transposeB: boolean,
  scale: number,
): string {
  return emit.node('FusedMatMul', inputs, {
    domain: 'com.microsoft',
    attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: { float: scale } },
  });
}

export function float32Linear(emit: Emitter, x: string, weight: string, bias: string | undefined): string {
  const product = fusedMatMul(emit, [x, weight], false, true, 1);
  return bias === undefined ? product : emit.node('Add', [product, bias]);
}

export function bakedInt8Linear(
  emit: Emitter,
  x: string,
  name: string,
  bias: string | undefined,
  shape: Shape,
  { values, scales }: Int8Weight,
): string {
  const int8 = emit.tensor(`${name}/int8`, 'int8', shape as readonly number[], values);
  const scale = emit.tensor(`${name}/scale`, 'float32', [scales.length], scales);
  // Folded when the session is made: the kernel wants its weight [I, O].
  const transposed = emit.node('Transpose', [int8], { attributes: { perm: [1, 0] } });
  const inputs = [x, transposed, scale, '', ...(bias === undefined ? [] : [bias])];
  return emit.node('DynamicQuantizeMatMul', inputs, { domain: 'com.microsoft' });
}

/** Whether the int8 products of training apply to a weight of this shape. */
export function gainsFromInt8(weight: Shape): boolean {
  return weight.every((dim) => typeof dim === 'number' && dim >= LEAST_INT8_SIZE);
}

/** A matrix in int8 and its scales [rows]. */
interface QuantizedRows {
  readonly values: string;
  readonly scales: string;
}

/** The int8 products of training. Quantised forms are made once and shared by all who multiply with them. */
export class SwitchBack {
  readonly #emit: Emitter;
  readonly #weights = new Map<string, QuantizedRows>();
  readonly #activations = new Map<string, QuantizedRows>();

  constructor(emit: Emitter) {
    this.#emit = emit;
  }

  /** x [..., I] weightᵀ + bias, for a result of the given shape [..., O]. */
  linear(x: string, weight: string, bias: string | undefined, [, inputs]: Shape, shape: Shape): string {
    const emit = this.#emit;
    const rows = this.#quantizeActivations(x, inputs as number);
    const quantized = this.#quantizeWeight(weight);
    const transposed = emit.node('Transpose', [quantized.values], { attributes: { perm: [1, 0] } });
    const product = this.#multiply(rows, transposed, quantized.scales);
    const flat = bias === undefined ? product : emit.node('Add', [product, bias]);
    return emit.node('Reshape', [flat, emit.shape(shape)]);
  }

  /** g [..., O] weight: the gradient of the input, of the given shape [..., I]. */
  inputGradient(g: string, weight: string, [outputs]: Shape, shape: Shape): string {
    const emit = this.#emit;
    const quantized = this.#quantizeWeight(weight);
    // g W = g diag(scales) Q: the scales of the weight's rows go into g, and the same Q serves both directions.
    const scaled = emit.node('Mul', [g, quantized.scales]);
    const rows = this.#quantizeActivations(scaled, outputs as number);
    const product = this.#multiply(rows, quantized.values, emit.scalar(1));
    return emit.node('Reshape', [product, emit.shape(shape)]);
  }

  /** int8 [N, K] times int8 [K, columns] in float32, each row times its scale. */
  #multiply(rows: QuantizedRows, matrix: string, matrixScales: string): string {
    const emit = this.#emit;
    const inputs = [rows.values, matrix, emit.scalar(1), matrixScales, emit.uint8(UINT8_ZERO)];
    const product = emit.node('MatMulIntegerToFloat', inputs, { domain: 'com.microsoft' });
    const scales = emit.node('Reshape', [rows.scales, emit.integers([-1, 1])]);
    return emit.node('Mul', [product, scales]);
  }

  #quantizeActivations(x: string, columns: number): QuantizedRows {
    let rows = this.#activations.get(x);
    if (rows === undefined) {
      const emit = this.#emit;
      const flat = emit.node('Reshape', [x, emit.integers([-1, columns])]);
      const scales = this.#rowScales(flat);
      const zeros = emit.filled('uint8', UINT8_ZERO, emit.node('Shape', [scales]));
      const values = emit.node('QuantizeLinear', [flat, scales, zeros], { attributes: { axis: 0 } });
      rows = { values, scales };
      this.#activations.set(x, rows);
    }
    return rows;
  }

  #quantizeWeight(weight: string): QuantizedRows {
    let rows = this.#weights.get(weight);
    if (rows === undefined) {
      const emit = this.#emit;
      const scales = this.#rowScales(weight);
      const zeros = emit.filled('int8', 0, emit.node('Shape', [scales]));
      const values = emit.node('QuantizeLinear', [weight, scales, zeros], { attributes: { axis: 0 } });
      rows = { values, scales };
      this.#weights.set(weight, rows);
    }
    return rows;
  }

  /** The largest magnitude in each row over 127: [rows]. */
  #rowScales(matrix: string): string {
    const emit = this.#emit;
    const magnitudes = emit.node('Abs', [matrix]);
    const largest = emit.node('ReduceMax', [magnitudes, emit.integers([1])], { attributes: { keepdims: 0 } });
    return emit.node('Max', [
      emit.node('Mul', [largest, emit.scalar(1 / INT8_LIMIT)]),
      emit.scalar(LEAST_SCALE),
    ]);
  }
}
