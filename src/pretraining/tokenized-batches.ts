/**
 * Text to pieces, batch by batch in the order of the text, by the threads of all ranks: each rank reads all of the text,
 * tokenizes its turns of the batches, and gets those of the others from them.
 *
 * With three ranks, batches 0, 3, 6, … are those of rank 0. A round brings one batch of each rank to all of them; threads
 * are meanwhile at work on those of the next rounds.
 */
import { deserialize, serialize } from 'node:v8';
import type { Communicator } from '../distributed/index.ts';
import { inOrder } from './ordered-work.ts';
import type { PrepareWorker } from './prepare-work.ts';
import { textBatches, type TextBatch } from './text-input.ts';
import { BadLine, type TokenizedText } from './tokenized-text.ts';
import { errorOf, failureOf, type WorkFailure } from './work-failure.ts';

export interface TokenizedBatch extends Pick<TextBatch, 'path' | 'begin' | 'endsFile'> {
  /** Bytes of its text. */
  readonly size: number;
  /** Its pieces; or a line that is no text, told only when the batches before it are. */
  readonly text: TokenizedText | Pick<BadLine, 'line' | 'expected' | 'got'>;
}

/**
 * @yields on every rank the same
 * @throws BertramError on every rank the same, such as `bad-input` for a file that cannot be read
 */
export async function* tokenizedBatches(
  inputs: readonly string[],
  workers: readonly PrepareWorker[],
  ranks: Communicator,
): AsyncGenerator<TokenizedBatch, void, undefined> {
  const own = inOrder(ownTurns(textBatches(inputs), ranks), workers, tokenized);
  if (ranks.size === 1) yield* own;
  else yield* withOthers(own, ranks);
}

async function* ownTurns(
  batches: AsyncIterable<TextBatch>,
  { rank, size }: Communicator,
): AsyncGenerator<TextBatch, void, undefined> {
  let number = 0;
  for await (const batch of batches) if (number++ % size === rank) yield batch;
}

async function tokenized(
  worker: PrepareWorker,
  { bytes, path, begin, endsFile }: TextBatch,
): Promise<TokenizedBatch> {
  const batch = { path, begin, endsFile, size: bytes.length }; // asked before another thread gets the bytes
  try {
    return { ...batch, text: await worker.tokenize(bytes) };
  } catch (error) {
    if (!(error instanceof BadLine)) throw error;
    const { line, expected, got } = error;
    return { ...batch, text: { line, expected, got } };
  }
}

/** What a rank brings to a round: a batch, why there is none, or nothing when it has come to the end of the text. */
type Turn = { readonly batch: TokenizedBatch } | { readonly failure: WorkFailure } | undefined;

async function* withOthers(
  own: AsyncGenerator<TokenizedBatch, void, undefined>,
  ranks: Communicator,
): AsyncGenerator<TokenizedBatch, void, undefined> {
  const nextTurn = (): Promise<Turn> =>
    own.next().then(
      (next) => (next.done ? undefined : { batch: next.value }),
      (error: unknown) => ({ failure: failureOf(error) }),
    );
  try {
    for (let next = nextTurn(); ;) {
      const turn = await next;
      // Under way while ranks wait for each other.
      next = nextTurn();
      const round = (await ranks.gatherBytes(serialize(turn))).map((bytes) => deserialize(bytes) as Turn);
      if (round.every((one) => one === undefined)) return;
      for (const one of round) {
        if (one === undefined) continue;
        if ('failure' in one) throw errorOf(one.failure);
        yield one.batch;
      }
    }
  } finally {
    await own.return();
  }
}
