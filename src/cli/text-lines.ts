/** Lines of a text that streams in, decoded strictly and without ever holding more than a chunk and a line. */
import { badInput } from '../support/errors.ts';

const LINE_FEED = 0x0a;

/**
 * Ends at LF, or CR LF; what follows the last line end is a line if it is not empty. A byte order mark is passed over.
 *
 * @param where opens error lines
 * @throws BertramError `bad-input` for bytes that are not UTF-8, naming the line
 */
export async function* textLines(
  chunks: AsyncIterable<Uint8Array>,
  where: string,
): AsyncGenerator<string, void, undefined> {
  let number = 0;
  let pending: Uint8Array[] = [];
  const decode = (bytes: Uint8Array): string[] => {
    const lines = decodeStrictly(bytes, number, where).split('\n');
    number += lines.length;
    return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  };
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(LINE_FEED);
    if (end < 0) {
      pending.push(chunk);
      continue;
    }
    // All whole lines at once: decoding is fast for long texts and slow for many short ones.
    yield* decode(Buffer.concat([...pending, chunk.subarray(0, end)]));
    pending = [chunk.subarray(end + 1)];
  }
  const rest = Buffer.concat(pending);
  if (rest.length > 0) yield* decode(rest);
}

/**
 * The text of some whole lines.
 *
 * @param linesBefore how many lines were read before; a byte order mark is passed over where there are none
 * @throws BertramError `bad-input` for bytes that are not UTF-8, naming the line
 */
export function decodeStrictly(bytes: Uint8Array, linesBefore: number, where: string): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: linesBefore > 0 });
  try {
    return decoder.decode(bytes);
  } catch {
    // The first line that does not decode by itself.
    let line = linesBefore;
    for (let begin = 0; begin <= bytes.length; line++) {
      const end = bytes.indexOf(LINE_FEED, begin);
      const bad = bytes.subarray(begin, end < 0 ? bytes.length : end);
      if (!isUtf8(bad)) badInput(`${where}: line ${line + 1}`, 'text in UTF-8', 'other bytes');
      if (end < 0) break;
      begin = end + 1;
    }
    return badInput(where, 'text in UTF-8', 'other bytes');
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
