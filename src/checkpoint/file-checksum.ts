/** SHA-256: of files, read in stretches, and of what is in memory. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { fileError } from './file-error.ts';

const READ_BYTES = 1 << 20;

/** In hexadecimal digits. @throws BertramError `not-found` if there is no such file */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw fileError(path, 'cannot be read', error);
  }
  return hash.digest('hex');
}

/** Of the memory of arrays, one after the other. */
export function arraysSha256(arrays: Iterable<ArrayBufferView>): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of arrays)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}

/** Of a text's UTF-8. */
export function textSha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
