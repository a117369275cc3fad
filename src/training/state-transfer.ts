/**
 * What ranks send each other besides gradients: the numbers that a run begins with, which rank 0 has, and the moments
 * that a checkpoint needs, which may be spread over all ranks.
 */
import { gatherValues, onFirstRank, type Communicator } from '../distributed/index.ts';
import type { Slice } from './gradient-exchange.ts';
import type { TrainingProgress } from './training-hooks.ts';
import type { TrainingState } from './training-state.ts';

/** Numbers that are sent at a time where not all ranks keep them: 16 MiB. */
const PART = 2 ** 22;

/**
 * Rank 0 initialises the state; the others get its parameters, and of the moments, if it resumes, their slice.
 *
 * @returns on all ranks what `initialize` returns
 */
export async function shareStart(
  state: TrainingState,
  ranks: Communicator,
  own: Slice,
  initialize: () => Promise<TrainingProgress | undefined>,
): Promise<TrainingProgress | undefined> {
  const progress = await onFirstRank(ranks, initialize);
  if (ranks.size === 1) return progress;
  await ranks.broadcast(state.values);
  if (progress === undefined) return undefined;
  for (const moments of [state.firstMoments, state.secondMoments]) await shareSlices(moments, ranks, own);
  if (ranks.rank === 0) state.keepMoments(own);
  return progress;
}

/** Everything passes by, and a rank keeps its slice: what it has not touched takes no memory. */
async function shareSlices(values: Float32Array, ranks: Communicator, { begin, end }: Slice): Promise<void> {
  const buffer = new Float32Array(Math.min(PART, values.length));
  for (let from = 0; from < values.length; from += PART) {
    const to = Math.min(values.length, from + PART);
    const part = buffer.subarray(0, to - from);
    if (ranks.rank === 0) part.set(values.subarray(from, to));
    await ranks.broadcast(part);
    const [first, last] = [Math.max(from, begin), Math.min(to, end)];
    if (ranks.rank > 0 && first < last) values.set(part.subarray(first - from, last - from), first);
  }
}

/**
 * Does work on rank 0 for which all moments have to be there, such as writing them. The other ranks send their slices,
 * and rank 0 lets go of them afterwards.
 */
export async function gatherMoments(
  state: TrainingState,
  ranks: Communicator,
  own: Slice,
  work: () => Promise<void>,
): Promise<void> {
  const isSharded = own.end - own.begin < state.values.length;
  const slices = isSharded ? await gatherValues(ranks, { begin: own.begin, end: own.end }) : [];
  for (const [rank, slice] of slices.entries()) {
    if (rank === 0) continue;
    for (const moments of [state.firstMoments, state.secondMoments]) await send(moments, rank, slice, ranks);
  }
  if (ranks.rank > 0) return;
  await work();
  if (isSharded) state.keepMoments(own);
}

/** A slice from a rank to rank 0. The others hear it too, MPI's pair of send and receive being one more thing to know. */
async function send(
  values: Float32Array,
  from: number,
  { begin, end }: Slice,
  ranks: Communicator,
): Promise<void> {
  const buffer = new Float32Array(Math.min(PART, end - begin));
  for (let first = begin; first < end; first += PART) {
    const part = buffer.subarray(0, Math.min(PART, end - first));
    if (ranks.rank === from) part.set(values.subarray(first, first + part.length));
    await ranks.broadcast(part, from);
    if (ranks.rank === 0) values.set(part, first);
  }
}
