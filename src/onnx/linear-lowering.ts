/**
 * The linear layer in ONNX, in the precisions it can have.
 *
 * - float32;
 * - int8 with weights quantised beforehand and baked in, for inference: activations get one scale a batch;
 * - int8 with weights that are fed and may change from run to run, for training: `switch-back.ts`.
 */
import type { Shape } from '../graph/index.ts';
import type { Emitter } from './emitter.ts';

/** A weight matrix [O, I] in int8 with one scale for each row: row o holds values[o, :] * scales[o]. */
export interface Int8Weight {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

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
  // Query, key and value have their input in common: it is quantised once.
  const [rounded, roundedScale, zero] = emit.once(`quantised ${x}`, () =>
    emit.nodeWithOutputs('DynamicQuantizeLinear', [x], { outputs: 3 }),
  );
  const inputs = [
    rounded!,
    transposed,
    roundedScale!,
    scale,
    zero!,
    '',
    ...(bias === undefined ? [] : [bias]),
  ];
  return emit.node('MatMulIntegerToFloat', inputs, { domain: 'com.microsoft' });
}
