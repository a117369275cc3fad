/**
 * A model directory with its matrices in int8, a quarter of the size: `X.weight` becomes I8 with one F32 scale a row in
 * `X.weight_scale`. Vectors, and matrices too small to matter, stay F32.
 */
import {
  canonicalName,
  openModelWeights,
  quantizeRows,
  SCALE_SUFFIX,
  type ModelDirectory,
  type TensorToWrite,
} from '../checkpoint/index.ts';
import { BertramError } from '../support/errors.ts';
import { bertConfigOf, saveBert } from './pretrained.ts';

/** Matrices with a side below this, such as a head's or the token types', stay F32. */
const LEAST_SIDE = 64;

/**
 * @param architecture the class in transformers that the parameters are of
 * @returns the numbers of parameters that were quantised and that were not
 * @throws BertramError `unsupported` when the model is quantised already
 */
export async function quantizeBert(
  model: ModelDirectory,
  outputDir: string,
  architecture: string,
): Promise<{ readonly quantized: number; readonly kept: number }> {
  const source = await openModelWeights(model.path);
  const tensors: TensorToWrite[] = [];
  let quantized = 0;
  let kept = 0;
  try {
    for (const [stored, { dtype, shape }] of source.tensors) {
      const name = canonicalName(stored);
      if (name === undefined) continue;
      if (dtype === 'I8')
        throw new BertramError('unsupported', `${source.path}: expected floats, got int8 in ${stored}`);
      const values = await source.readFloat32(stored);
      const [rows = 0, columns = 0] = shape;
      if (shape.length === 2 && Math.min(rows, columns) >= LEAST_SIDE) {
        const matrix = quantizeRows(values, rows, columns);
        tensors.push({ name, dtype: 'I8', shape, data: matrix.values });
        tensors.push({ name: name + SCALE_SUFFIX, dtype: 'F32', shape: [rows], data: matrix.scales });
        quantized += values.length;
      } else {
        tensors.push({ name, dtype: 'F32', shape, data: values });
        kept += values.length;
      }
    }
  } finally {
    await source.close();
  }
  await saveBert(outputDir, { architecture, config: bertConfigOf(model), vocabulary: model }, tensors);
  return { quantized, kept };
}
