/**
 * Writing safetensors files: streamed tensor by tensor, whole or not at all.
 */
import type { FileHandle } from 'node:fs/promises';
import { stageFile, writeFileAtomic } from './atomic-file.ts';
import type { FileContent, StagedFile } from './atomic-file.ts';
import { MAX_WRITE_BYTES } from './file-operations.ts';
import { checkData, layOut } from './safetensors-layout.ts';
import type { Metadata, TensorToWrite } from './safetensors-layout.ts';

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

/**
 * The bytes of a safetensors file, without copies: the header, and then each tensor's own memory.
 *
 * @param where what is being written, to open error lines
 * @throws BertramError `bad-input` for tensors that cannot be written, before anything is
 */
export function safetensorsChunks(
  where: string,
  tensors: Iterable<TensorToWrite>,
  metadata?: Metadata,
): AsyncIterable<Uint8Array> {
  const layout = layOut(tensors, metadata, where);
  return (async function* () {
    yield layout.header;
    for (const [tensor, byteLength] of layout.tensors) {
      const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
      checkData(tensor, data, byteLength, where);
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  })();
}

function safetensorsContent(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Metadata | undefined,
): FileContent {
  const chunks = safetensorsChunks(path, tensors, metadata);
  return async (file) => {
    for await (const chunk of chunks) await writeAll(file, chunk);
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, MAX_WRITE_BYTES));
    done += bytesWritten;
  }
}
