/** The first pass of `prepare`: all ranks turn batches of lines into pieces, and rank 0 puts them into a corpus file in order. */
import { onFirstRank, type Communicator } from '../distributed/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import { CorpusWriter } from './corpus-file.ts';
import type { CorpusCounts } from './corpus-file.ts';
import { LEAST_DOCUMENTS } from './pairs.ts';
import type { PrepareWorker } from './prepare-work.ts';
import { tokenizedBatches } from './tokenized-batches.ts';

export type CorpusPassEvent =
  | { readonly type: 'tokenizing'; readonly bytes: number }
  | { readonly type: 'tokenized'; readonly counts: CorpusCounts };

/**
 * Tokenizes all files into the work directory.
 *
 * @throws BertramError `bad-input` naming the file and line of what is not text, and for less than two documents
 */
export async function tokenizeCorpus(
  inputs: readonly string[],
  workDirectory: string,
  workers: readonly PrepareWorker[],
  ranks: Communicator,
  emit: (event: CorpusPassEvent) => void,
): Promise<CorpusCounts> {
  const writer = ranks.rank === 0 ? await CorpusWriter.create(workDirectory) : undefined;
  try {
    await tokenizeInto(writer, inputs, workers, ranks, emit);
    const counts = await onFirstRank(ranks, () => writer!.finish());
    emit({ type: 'tokenized', counts });
    if (counts.documents < LEAST_DOCUMENTS) {
      const expected =
        'at least two documents, with a blank line between, so that a second segment can be random';
      badInput(inputs.join(', '), expected, String(counts.documents));
    }
    return counts;
  } finally {
    await writer?.close();
  }
}

async function tokenizeInto(
  writer: CorpusWriter | undefined,
  inputs: readonly string[],
  workers: readonly PrepareWorker[],
  ranks: Communicator,
  emit: (event: CorpusPassEvent) => void,
): Promise<void> {
  /** Of the file that is read. */
  let [bytes, lines] = [0, 0];
  let total = 0;
  for await (const { path, begin, endsFile, size, text } of tokenizedBatches(inputs, workers, ranks)) {
    if (begin !== bytes)
      throw new BertramError('failed', `${path}: expected the same text on all ranks, got another on one`);
    if ('line' in text) badInput(`${path}: line ${lines + text.line + 1}`, text.expected, text.got);
    await writer?.append(text);
    if (endsFile) writer?.endFile();
    [bytes, lines] = endsFile ? [0, 0] : [begin + size, lines + text.lines];
    total += size;
    emit({ type: 'tokenizing', bytes: total });
  }
}
