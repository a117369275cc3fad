/**
 * Running a model over many windows: batches of like length, so that little is padded, and results in the order of the
 * windows, so that whoever searches them sees each context from its beginning to its end.
 */
import type { WindowLogits } from '../squad/index.ts';
import type { WindowInput } from '../squad/question-batches.ts';
import { badInput } from '../support/errors.ts';
import type { QuestionAnsweringModel } from './question-answering-model.ts';

export interface ReadingOptions {
  /** The most windows in a batch. */
  readonly batchSize?: number;
  /** The most pieces in a batch, padding included; a single longer window makes a batch of its own. */
  readonly batchPieces?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Cuts the reading short, between two batches. */
  readonly signal?: AbortSignal | undefined;
}

/** Small batches: larger ones were no faster on a processor, measured at 32 to 384 pieces a window. */
export const defaultReadingOptions = { batchSize: 32, batchPieces: 1024 } as const;

/** Of a batch, for each lane. */
const WINDOWS_A_LANE = 8;

/** Windows that are sorted together. Their logits are what is in memory at a time. */
const CHUNK = 1024;

/** Throws `bad-input` for options out of range. */
export function checkReadingOptions(options: ReadingOptions): void {
  const { batchSize, batchPieces } = { ...defaultReadingOptions, ...options };
  for (const [name, value] of Object.entries({ batch_size: batchSize, batch_pieces: batchPieces })) {
    if (!Number.isInteger(value) || value < 1) badInput(name, 'a whole number from 1', String(value));
  }
}

/**
 * The logits of each window, in the order of the windows.
 *
 * @throws the reason of `options.signal`, once that is aborted
 */
export async function* readWindows(
  model: QuestionAnsweringModel,
  windows: readonly WindowInput[],
  options: ReadingOptions = {},
): AsyncGenerator<WindowLogits, void, undefined> {
  checkReadingOptions(options);
  let done = 0;
  for (let begin = 0; begin < windows.length; begin += CHUNK) {
    const chunk = windows.slice(begin, begin + CHUNK);
    const logits = new Array<WindowLogits>(chunk.length);
    for (const batch of batchesByLength(chunk, forLanes(options, model.lanes))) {
      options.signal?.throwIfAborted();
      const results = await model.logits(batch.map((index) => chunk[index]!));
      batch.forEach((index, row) => (logits[index] = results[row]!));
      done += batch.length;
      options.onProgress?.(done, windows.length);
    }
    yield* logits;
  }
}

/** Lanes read one window each: a batch holds so many for each that waiting for the last to finish costs little. */
function forLanes(options: ReadingOptions, lanes: number): ReadingOptions {
  if (lanes === 1) return options;
  const { batchSize, batchPieces } = { ...defaultReadingOptions, ...options };
  const windows = lanes * WINDOWS_A_LANE;
  return { batchSize: batchSize * windows, batchPieces: batchPieces * windows };
}

/**
 * Indices of windows, longest first, cut where a batch would exceed its limits.
 *
 * Example: lengths 300, 40, 384, 380, 41 at 768 pieces: [384, 380], [300, 41], [40] as indices [2, 3], [0, 4], [1].
 */
export function batchesByLength(windows: readonly WindowInput[], options: ReadingOptions = {}): number[][] {
  const { batchSize, batchPieces } = { ...defaultReadingOptions, ...options };
  const lengthOf = (index: number): number => windows[index]!.inputIds.length;
  const order = windows.map((_, index) => index).sort((a, b) => lengthOf(b) - lengthOf(a) || a - b);
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const index of order) {
    const longest = lengthOf(batch[0] ?? index);
    if (batch.length > 0 && (batch.length === batchSize || (batch.length + 1) * longest > batchPieces)) {
      batches.push(batch);
      batch = [];
    }
    batch.push(index);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
