/**
 * Writing safetensors files: streamed tensor by tensor, whole or not at all.
 */
import type { FileHandle } from 'node:fs/promises';
import { stageFile, writeFileAtomic } from './atomic-file.ts';
import type { FileContent, StagedFile } from './atomic-file.ts';
import { checkData, layOut } from './safetensors-layout.ts';
import type { Metadata, TensorToWrite } from './safetensors-layout.ts';

/** The most one write call may be given: Linux stops at 2^31 - 4096 bytes. */
const MAX_WRITE_BYTES = 1 << 30;

/**
 * Writes a safetensors file, byte for byte as the Rust library would, whole or not at all.
 *
 * @param tensors in any order; data given as functions is made, written and dropped one tensor at a time
 * @param metadata strings; `{ format: 'pt' }` is what transformers asks of a model's weights
 * @throws BertramError `bad-input` for tensors that cannot be written, before anything is; any failure of the file
 * system as `path: cannot be written: ...`, with the old file untouched
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata?: Metadata,
): Promise<void> {
  await writeFileAtomic(path, safetensorsContent(path, tensors, metadata));
}

/** The same up to the point where the file takes its place, for several files that shall change together. */
export async function stageSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata?: Metadata,
): Promise<StagedFile> {
  return stageFile(path, safetensorsContent(path, tensors, metadata));
}

function safetensorsContent(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Metadata | undefined,
): FileContent {
  const layout = layOut(tensors, metadata, path);
  return async (file) => {
    await writeAll(file, layout.header);
    for (const [tensor, byteLength] of layout.tensors) {
      const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
      checkData(tensor, data, byteLength, path);
      await writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, MAX_WRITE_BYTES));
    done += bytesWritten;
  }
}
