/**
 * `pytorch_model.bin`: weights as `torch.save` writes them, in both of its formats, read without running any of what a
 * pickle may hold.
 */
import { BertramError, badInput } from '../support/errors.ts';
import { openFileBytes } from './file-bytes.ts';
import { mistakenFor } from './file-signatures.ts';
import { readPyTorchArchive } from './pytorch-archive.ts';
import { stateDictOf } from './pytorch-file.ts';
import type { PickledFile } from './pytorch-file.ts';
import { readLegacyPyTorch } from './pytorch-legacy.ts';
import type { PickledTensor } from './pytorch-tensors.ts';
import { DTYPES } from './safetensors-dtype.ts';
import type { ByteSource } from './safetensors-source.ts';
import { StridedWeights, elementSpan } from './strided-weights.ts';
import type { StridedTensor } from './strided-weights.ts';
import type { WeightSource } from './weight-source.ts';

const SIGNATURE_BYTES = 8;

/**
 * Opens a file of `torch.save`: its pickles are read, its tensors are not. The caller closes it.
 *
 * @throws BertramError `not-found` if there is none, `bad-input` if it is malformed, or names in its pickles what is no
 * part of a tensor; `unsupported` for compressed, encrypted and TorchScript archives
 */
export async function openPyTorch(path: string): Promise<WeightSource> {
  const source = await openFileBytes(path);
  try {
    const { value, places } = await readPickledFile(source);
    const { tensors, leftOut } = stateDictOf(value, path);
    const located = new Map<string, StridedTensor>();
    for (const [name, tensor] of tensors) located.set(name, locate(tensor, places, source));
    return new StridedWeights(path, located, leftOut, [source]);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readPickledFile(source: ByteSource): Promise<PickledFile> {
  const start = new Uint8Array(Math.min(SIGNATURE_BYTES, source.size));
  await source.read(start, 0);
  if (start[0] === 0x50 && start[1] === 0x4b) return readPyTorchArchive(source);
  if (start[0] === 0x80) return readLegacyPyTorch(source);
  const got = source.size === 0 ? 'an empty file' : (mistakenFor(start) ?? 'other bytes');
  badInput(source.path, 'a file of torch.save', got);
}

function locate(tensor: PickledTensor, places: PickledFile['places'], source: ByteSource): StridedTensor {
  const { storage, offset, shape, strides } = tensor;
  const place = places.get(storage);
  if (place === undefined) throw new BertramError('failed', `${source.path}: storage without a place`);
  const elementBytes = DTYPES[storage.dtype].bits / 8;
  const byteLength = elementSpan(shape, strides) * elementBytes;
  // A checksum is over the whole storage: a view of a part cannot be verified.
  const isWhole = byteLength === storage.byteLength && place.isIntact !== undefined;
  return {
    dtype: storage.dtype,
    shape,
    strides,
    source,
    position: place.position + offset * elementBytes,
    byteLength,
    ...(isWhole ? { isIntact: place.isIntact } : {}),
  };
}
