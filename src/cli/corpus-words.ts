/** Counts the words of text files, plain or gzipped, a batch of lines at a time. */
import { textBatches } from '../pretraining/text-input.ts';
import { badInput } from '../support/errors.ts';
import type { WordCounter } from '../tokenizers/index.ts';
import { decodeStrictly } from './text-lines.ts';

const LINE_FEED = 0x0a;

export interface CorpusSize {
  /** Of text, unpacked. */
  readonly bytes: number;
  /** Files without a byte of text. */
  readonly emptyFiles: readonly string[];
}

/**
 * @param onProgress called with the bytes read so far
 * @throws BertramError naming the file, and the line where there is one: for a file that cannot be read, a damaged gzip
 *   file, binary data, other text than UTF-8, a line of more than 64 MiB
 */
export async function countWords(
  files: readonly string[],
  counter: WordCounter,
  onProgress: (bytes: number) => void,
): Promise<CorpusSize> {
  const emptyFiles: string[] = [];
  let total = 0;
  let fileBytes = 0;
  let lines = 0;
  for await (const { path, bytes, endsFile } of textBatches(files)) {
    const nul = bytes.indexOf(0);
    if (nul >= 0) {
      const line = lines + lineFeedsIn(bytes.subarray(0, nul)) + 1;
      badInput(`${path}: line ${line}`, 'text', 'binary data (a NUL byte)');
    }
    counter.add(decodeStrictly(bytes, lines, path));
    total += bytes.length;
    fileBytes += bytes.length;
    lines += lineFeedsIn(bytes);
    onProgress(total);
    if (!endsFile) continue;
    if (fileBytes === 0) emptyFiles.push(path);
    fileBytes = 0;
    lines = 0;
  }
  return { bytes: total, emptyFiles };
}

function lineFeedsIn(bytes: Uint8Array): number {
  let count = 0;
  for (let i = bytes.indexOf(LINE_FEED); i >= 0; i = bytes.indexOf(LINE_FEED, i + 1)) count++;
  return count;
}
