/** The first pass of `prepare`: threads turn batches of lines into pieces, and a corpus file takes them in order. */
import { badInput } from '../support/errors.ts';
import { CorpusWriter } from './corpus-file.ts';
import type { CorpusCounts } from './corpus-file.ts';
import { inOrder } from './ordered-work.ts';
import { LEAST_DOCUMENTS } from './pairs.ts';
import type { PrepareWorker } from './prepare-work.ts';
import { textBatches } from './text-input.ts';
import { BadLine } from './tokenized-text.ts';

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
  emit: (event: CorpusPassEvent) => void,
): Promise<CorpusCounts> {
  const writer = await CorpusWriter.create(workDirectory);
  try {
    await tokenizeInto(writer, inputs, workers, emit);
    const counts = await writer.finish();
    emit({ type: 'tokenized', counts });
    if (counts.documents < LEAST_DOCUMENTS) {
      const expected =
        'at least two documents, with a blank line between, so that a second segment can be random';
      badInput(inputs.join(', '), expected, String(counts.documents));
    }
    return counts;
  } finally {
    await writer.close();
  }
}

async function tokenizeInto(
  writer: CorpusWriter,
  inputs: readonly string[],
  workers: readonly PrepareWorker[],
  emit: (event: CorpusPassEvent) => void,
): Promise<void> {
  let path: string | undefined;
  let lines = 0;
  let bytes = 0;
  const tokenized = inOrder(textBatches(inputs), workers, async (worker, batch) => {
    const size = batch.bytes.length; // asked before the bytes are handed over to another thread
    try {
      return { batch, size, text: await worker.tokenize(batch.bytes) };
    } catch (error) {
      if (error instanceof BadLine) return { batch, size, error };
      throw error;
    }
  });
  for await (const { batch, size, ...outcome } of tokenized) {
    if (batch.path !== path) lines = 0;
    path = batch.path;
    if ('error' in outcome) {
      const { line, expected, got } = outcome.error;
      badInput(`${path}: line ${lines + line + 1}`, expected, got);
    }
    await writer.append(outcome.text);
    if (batch.endsFile) writer.endFile();
    lines += outcome.text.lines;
    bytes += size;
    emit({ type: 'tokenizing', bytes });
  }
}
