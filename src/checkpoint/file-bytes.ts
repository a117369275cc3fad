/** Files on disk as bytes at positions. */
import { open, stat } from 'node:fs/promises';
import { badInput } from '../support/errors.ts';
import { fileError } from './file-error.ts';
import type { ByteSource } from './safetensors-source.ts';

/** The most one read call may ask for: Linux stops at 2^31 - 4096 bytes. */
const MAX_READ_BYTES = 1 << 30;

/**
 * Opens a file for positioned reads. The caller closes it.
 *
 * @throws BertramError `not-found` if there is none, `bad-input` if it is no file
 */
export async function openFileBytes(path: string): Promise<ByteSource> {
  try {
    // Asked before opening, since opening a named pipe would wait for its writer.
    if (!(await stat(path)).isFile()) badInput(path, 'a file', 'something else');
    const file = await open(path, 'r');
    const { size } = await file.stat();
    return {
      path,
      size,
      close: () => file.close(),
      read: async (into, position) => {
        for (let done = 0; done < into.length;) {
          const length = Math.min(into.length - done, MAX_READ_BYTES);
          const { bytesRead } = await file
            .read(into, done, length, position + done)
            .catch((error: unknown) => {
              throw fileError(path, 'cannot be read', error);
            });
          if (bytesRead === 0) badInput(path, `${size} bytes, as when it was opened`, `${position + done}`);
          done += bytesRead;
        }
      },
    };
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
}
