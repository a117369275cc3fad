/**
 * The input of a BERT model for one text or a pair: `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`, in as many
 * windows as it takes to hold everything.
 */
import { badInput } from '../support/errors.ts';
import type { Encoding } from './encoding.ts';
import { overlappingWindows, truncatedLengths } from './truncation.ts';
import type { TruncationStrategy } from './truncation.ts';

export interface WindowOptions {
  /** Most pieces in a window, special tokens included. Default: one window, however long. */
  readonly maxLength?: number;
  /** What to shorten. Default `longest_first`. */
  readonly strategy?: TruncationStrategy;
  /** Pieces that neighbouring windows of one sequence share. Default 0. */
  readonly stride?: number;
}

/** One model input. All arrays are [length]. */
export interface EncodedWindow {
  readonly ids: Int32Array;
  /** 0 up to the first [SEP], 1 behind it. */
  readonly tokenTypeIds: Int32Array;
  /** Offsets in the piece's own text, in UTF-16 units; 0 for the special tokens. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** 0 for pieces of the first text, 1 for those of the second, -1 for [CLS] and [SEP]. */
  readonly sequenceIds: Int8Array;
  /** 1 for [CLS] and [SEP], 0 for the rest. */
  readonly specialTokensMask: Uint8Array;
}

interface Span {
  readonly encoding: Encoding;
  readonly start: number;
  readonly end: number;
}

/**
 * All windows of one or two encodings. When both are cut, every window of the first meets every window of the second,
 * in the order of `tokenizers`: (0, 0), then each further first with all seconds, then the first with the others.
 * @throws BertramError `bad-input` when `maxLength` leaves no room, or `stride` no step forward
 */
export function windowsOf(
  first: Encoding,
  second: Encoding | undefined,
  specials: { readonly clsId: number; readonly sepId: number },
  options: WindowOptions = {},
): EncodedWindow[] {
  const { maxLength = Infinity, strategy = 'longest_first', stride = 0 } = options;
  const specialCount = second === undefined ? 2 : 3;
  const least = second === undefined ? 3 : 5;
  if (!(maxLength >= least) || (maxLength !== Infinity && !Number.isInteger(maxLength))) {
    badInput('maxLength', `an integer of at least ${least}`, String(maxLength));
  }
  if (!Number.isInteger(stride) || stride < 0) badInput('stride', 'an integer of at least 0', String(stride));

  const [firstLength, secondLength] = truncatedLengths(
    first.ids.length,
    second?.ids.length,
    maxLength - specialCount,
    strategy,
  );
  const firstSpans = spansOf(first, firstLength, stride);
  if (second === undefined) return firstSpans.map((span) => assemble([span], specials));
  const secondSpans = spansOf(second, secondLength, stride);
  const pairs = firstSpans.flatMap((a) => secondSpans.map((b) => [a, b]));
  const [head, ...rest] = [
    pairs.slice(0, 1),
    pairs.slice(secondSpans.length),
    pairs.slice(1, secondSpans.length),
  ];
  return [...head, ...rest.flat()].map((pair) => assemble(pair, specials));
}

function spansOf(encoding: Encoding, length: number, stride: number): Span[] {
  return overlappingWindows(encoding.ids.length, length, stride).map(([start, end]) => ({
    encoding,
    start,
    end,
  }));
}

function assemble(
  spans: readonly Span[],
  specials: { readonly clsId: number; readonly sepId: number },
): EncodedWindow {
  const length = 1 + spans.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  const window = {
    ids: new Int32Array(length),
    tokenTypeIds: new Int32Array(length),
    starts: new Int32Array(length),
    ends: new Int32Array(length),
    sequenceIds: new Int8Array(length).fill(-1),
    specialTokensMask: new Uint8Array(length).fill(1),
  };
  window.ids[0] = specials.clsId;
  let position = 1;
  spans.forEach(({ encoding, start, end }, sequence) => {
    const behind = position + end - start;
    window.ids.set(encoding.ids.subarray(start, end), position);
    window.starts.set(encoding.starts.subarray(start, end), position);
    window.ends.set(encoding.ends.subarray(start, end), position);
    window.sequenceIds.fill(sequence, position, behind);
    window.specialTokensMask.fill(0, position, behind);
    window.ids[behind] = specials.sepId;
    window.tokenTypeIds.fill(sequence, position, behind + 1);
    position = behind + 1;
  });
  return window;
}
