/** Small text files of a model directory: read with a bound on their size, and strictly as UTF-8. */
import { open, stat } from 'node:fs/promises';
import { BertramError, badInput } from '../support/errors.ts';
import { fileError, systemCode } from './file-error.ts';

/** Far above any real configuration, vocabulary or shard index, far below what would exhaust memory. */
export const MAX_TEXT_BYTES = 64 * 2 ** 20;

/**
 * Reads a text file whole. A byte order mark at its start is dropped.
 *
 * @throws BertramError if it is absent, not a file, longer than `maxBytes`, or not valid UTF-8
 */
export async function readTextFile(path: string, maxBytes = MAX_TEXT_BYTES): Promise<string> {
  let bytes: Uint8Array;
  try {
    // Asked before opening, since opening a named pipe would wait for its writer.
    if (!(await stat(path)).isFile()) badInput(path, 'a file', 'something else');
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      if (size > maxBytes) badInput(path, `at most ${maxBytes} bytes`, `${size}`);
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    badInput(path, 'valid UTF-8', 'other bytes');
  }
}

/** The same, or undefined if there is no such file. */
export async function readTextFileIfPresent(
  path: string,
  maxBytes = MAX_TEXT_BYTES,
): Promise<string | undefined> {
  try {
    return await readTextFile(path, maxBytes);
  } catch (error) {
    if (error instanceof BertramError && systemCode(error.cause) === 'ENOENT') return undefined;
    throw error;
  }
}
