/**
 * Cutting one or two token sequences to a length, keeping what is cut off in overlapping windows.
 *
 * Equal to `utils/truncation.rs` and `Encoding::truncate` of Hugging Face `tokenizers` 0.22; versions 0.23.1 to 0.23.3
 * lose every window after the second (their issue 2091).
 */
import { badInput } from '../support/errors.ts';

/**
 * What to shorten when the pieces do not fit: the longer sequence first (both to about half of the room when both are
 * longer), or always the same one.
 */
export type TruncationStrategy = 'longest_first' | 'only_first' | 'only_second';

/**
 * How many pieces of each sequence one window holds.
 * @param first pieces of the first sequence
 * @param second pieces of the second, undefined if there is none
 * @param room pieces that fit
 * @throws BertramError `bad-input` when the strategy names a sequence too short to give up as much as must go
 */
export function truncatedLengths(
  first: number,
  second: number | undefined,
  room: number,
  strategy: TruncationStrategy,
): [first: number, second: number] {
  const total = first + (second ?? 0);
  if (total <= room) return [first, second ?? 0];
  if (second === undefined && strategy === 'only_second') {
    badInput('truncation only_second', 'a second sequence', 'none');
  }
  if (strategy === 'longest_first') {
    if (second === undefined) return [room, 0];
    const [shorter, longer] = balancedLengths(Math.min(first, second), room);
    return first <= second ? [shorter, longer] : [longer, shorter];
  }
  const [length, other] = strategy === 'only_first' ? [first, second ?? 0] : [second ?? 0, first];
  const kept = room - other;
  if (kept <= 0) {
    badInput(
      `truncation ${strategy}`,
      `room for a piece of the ${strategy === 'only_first' ? 'first' : 'second'} sequence (${length} pieces)`,
      `${room} places, ${other} of them taken by the other`,
    );
  }
  return strategy === 'only_first' ? [kept, other] : [other, kept];
}

/** Lengths of the shorter and the longer of two sequences that together do not fit. */
function balancedLengths(shorter: number, room: number): [shorter: number, longer: number] {
  const longer = room - shorter;
  if (longer >= shorter) return [shorter, longer];
  const half = Math.floor(room / 2);
  return [half, room - half];
}

/**
 * The windows [start, end) over a sequence: each `size` long but for the last, each beginning `stride` pieces before
 * the one before it ended. Ten pieces, size 4, stride 1: [0, 4), [3, 7), [6, 10).
 * @throws BertramError `bad-input` when the overlap leaves no step forward
 */
export function overlappingWindows(
  length: number,
  size: number,
  stride: number,
): [start: number, end: number][] {
  if (length <= size) return [[0, length]];
  if (stride >= size) badInput('truncation', `a stride below the ${size} pieces of a window`, String(stride));
  const windows: [number, number][] = [];
  for (let start = 0, end = 0; end < length; start += size - stride) {
    end = Math.min(start + size, length);
    windows.push([start, end]);
  }
  return windows;
}
