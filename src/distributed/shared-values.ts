/** Values of any kind that ranks tell each other, as JSON: results of small work, and the errors it ends with. */
import { BertramError, isAbort, messageOf, type ErrorCode } from '../support/errors.ts';
import type { Communicator } from './communicator.ts';

type Outcome<T> =
  { readonly value?: T } | { readonly failure: { readonly code: ErrorCode; readonly message: string } };

/** The values of all ranks, by rank. Each must be what JSON can hold. */
export async function gatherValues<T>(ranks: Communicator, value: T): Promise<T[]> {
  if (ranks.size === 1) return [value];
  const all = await ranks.gatherBytes(encode(value));
  return all.map((bytes) => decode(bytes) as T);
}

/**
 * Does a piece of work on rank 0 alone, such as looking into a directory that is about to be filled. Every rank gets the
 * result, which must be what JSON can hold, or the error.
 */
export async function onFirstRank<T>(ranks: Communicator, work: () => Promise<T>): Promise<T> {
  if (ranks.size === 1) return work();
  const [outcome] = await gatherValues<Outcome<T>>(ranks, ranks.rank === 0 ? await outcomeOf(work) : {});
  if (outcome !== undefined && 'failure' in outcome)
    throw new BertramError(outcome.failure.code, outcome.failure.message);
  return outcome?.value as T;
}

/** Whether it is true on one rank at least. */
export async function isTrueOnAny(ranks: Communicator, own: boolean): Promise<boolean> {
  const count = Float64Array.of(own ? 1 : 0);
  await ranks.allReduceSum(count);
  return count[0]! > 0;
}

/**
 * Does this rank's part of work that a signal may cut short. Where it did on one rank, all of them throw its reason: there
 * is no whole to be made of the parts, and no rank waits for one that does not come.
 *
 * @param work rejects with the signal's reason, an `AbortError`, when it was cut short
 */
export async function unlessAborted<T>(ranks: Communicator, work: () => Promise<T>): Promise<T> {
  if (ranks.size === 1) return work();
  const own = await work().then(
    (value) => ({ value }),
    (error: unknown) => {
      if (isAbort(error)) return { reason: error.message };
      throw error;
    },
  );
  const reasons = await gatherValues(ranks, 'reason' in own ? [own.reason] : []);
  const [reason] = reasons.flat();
  if (reason !== undefined || 'reason' in own) throw new DOMException(reason, 'AbortError');
  return own.value;
}

/** Of items that ranks have taken in turns, the row of all: [[a, c], [b]] to [a, b, c]. */
export function inTurns<T>(ofRanks: readonly (readonly T[])[]): T[] {
  const rounds = Math.max(...ofRanks.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) =>
    ofRanks.flatMap((items) => items.slice(round, round + 1)),
  ).flat();
}

async function outcomeOf<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    const code = error instanceof BertramError ? error.code : 'failed';
    return { failure: { code, message: messageOf(error) } };
  }
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decode(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
