/**
 * Features in a safetensors file that is written as they come, in memory that does not grow with them.
 *
 * - `features` F32 [T, L, H]: the tokens of all texts one after the other, L chosen layers of each; [texts, L, H] where
 *   they are pooled.
 * - `offsets` I32 [texts + 1]: the tokens of text i are the rows `offsets[i]` to `offsets[i + 1]` - 1 (not pooled only).
 * - `input_ids` I32 [T].
 *
 * How many there are is known at the end only. So room is left for the header, which is written last.
 */
import type { FileHandle } from 'node:fs/promises';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { layOut, type TensorToWrite } from '../checkpoint/safetensors-layout.ts';
import { BertramError } from '../support/errors.ts';
import type { FeatureModel } from './feature-model.ts';
import type { TextFeatures } from './features.ts';

/** Room for the header, its length field included. */
const HEADER_BYTES = 1024;
const LENGTH_BYTES = 8;

/**
 * @throws BertramError `path: cannot be written: …`; whatever fails, nothing is left of the new file
 */
export async function writeFeatureFile(
  path: string,
  { config, layers, pooling }: Pick<FeatureModel, 'config' | 'layers' | 'pooling'>,
  texts: AsyncIterable<TextFeatures>,
): Promise<void> {
  const width = config.hiddenSize;
  const perToken = pooling === 'none';
  await writeFileAtomic(path, async (file) => {
    const offsets = [0];
    const inputIds: Int32Array[] = [];
    let position = HEADER_BYTES;
    for await (const text of texts) {
      const rows = perToken ? text.inputIds.length : 1;
      const block = interleaved(text, rows, width);
      position += await writeAt(file, position, block);
      offsets.push(offsets.at(-1)! + rows);
      if (perToken) inputIds.push(text.inputIds);
    }
    const rows = offsets.at(-1)!;
    const tail = perToken
      ? { input_ids: Int32Array.from(concatenated(inputIds)), offsets: Int32Array.from(offsets) }
      : {};
    for (const values of Object.values(tail)) position += await writeAt(file, position, values);
    const tensors: TensorToWrite[] = [
      { name: 'features', dtype: 'F32', shape: [rows, layers.length, width], data: notAsked },
      ...Object.entries(tail).map(([name, data]) => ({
        name,
        dtype: 'I32' as const,
        shape: [data.length],
        data: notAsked,
      })),
    ];
    const { header } = layOut(tensors, { layers: layers.join(','), pooling }, path);
    await writeAt(file, 0, padded(header, path));
  });
}

/** The layers' values of one text, token by token: [rows, L, H]. */
function interleaved({ layers }: TextFeatures, rows: number, width: number): Float32Array {
  const block = new Float32Array(rows * layers.length * width);
  layers.forEach(({ values }, layer) => {
    for (let row = 0; row < rows; row++) {
      const vector = values.subarray(row * width, (row + 1) * width);
      block.set(vector, (row * layers.length + layer) * width);
    }
  });
  return block;
}

function* concatenated(parts: readonly Int32Array[]): Generator<number> {
  for (const part of parts) yield* part;
}

/** The format allows white space behind the header's JSON. */
function padded(header: Uint8Array, path: string): Uint8Array {
  if (header.length > HEADER_BYTES) {
    throw new BertramError(
      'failed',
      `${path}: expected a header of ${HEADER_BYTES} bytes, got ${header.length}`,
    );
  }
  const bytes = new Uint8Array(HEADER_BYTES).fill(0x20);
  bytes.set(header);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(HEADER_BYTES - LENGTH_BYTES), true);
  return bytes;
}

async function writeAt(file: FileHandle, position: number, values: ArrayBufferView): Promise<number> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
  return bytes.length;
}

/** The layout is made from names and shapes; the data is in the file already. */
function notAsked(): never {
  throw new BertramError('failed', 'feature file: data was written before its header');
}
