/**
 * What each Unicode code point is to BERT's basic tokenizer: control, white space, punctuation, ideograph, accent.
 *
 * The answers are those of Hugging Face `tokenizers` (`normalizers/bert.rs`, `pre_tokenizers/bert.rs`), from generated
 * tables instead of the engine's `\p{...}`, so that a text has the same tokens whatever ICU the program runs on.
 */
import {
  CHINESE,
  COMBINING_ORDER,
  DECOMPOSED,
  DROPPED,
  LOWERCASE,
  NONSPACING_MARKS,
  PUNCTUATION,
  WHITESPACE,
} from './unicode-tables.ts';

const CODE_POINTS = 0x110000;

/** Trait bits of a code point. */
export const TRAIT_DROPPED = 1;
export const TRAIT_WHITESPACE = 2;
export const TRAIT_PUNCTUATION = 4;
export const TRAIT_CHINESE = 8;
export const TRAIT_DECOMPOSED = 16;
export const TRAIT_NONSPACING_MARK = 32;
/** Of a combining class other than 0: canonical ordering may move it. */
export const TRAIT_COMBINING = 64;

/** Calls `visit(first, end)` for each range of a list of gaps and lengths (see unicode-tables.ts). */
function eachRange(deltas: readonly number[], visit: (first: number, end: number) => void): void {
  let position = 0;
  for (let i = 0; i < deltas.length; i += 2) {
    const first = position + deltas[i]!;
    position = first + deltas[i + 1]!;
    visit(first, position);
  }
}

/** The trait bits of every code point. */
export const traitsOf = new Uint8Array(CODE_POINTS);

const combiningRanks = new Map<number, number>();

function mark(deltas: readonly number[], trait: number): void {
  eachRange(deltas, (first, end) => {
    for (let codePoint = first; codePoint < end; codePoint++) traitsOf[codePoint]! |= trait;
  });
}

mark(DROPPED, TRAIT_DROPPED);
mark(WHITESPACE, TRAIT_WHITESPACE);
mark(PUNCTUATION, TRAIT_PUNCTUATION);
mark(CHINESE, TRAIT_CHINESE);
mark(DECOMPOSED, TRAIT_DECOMPOSED);
mark(NONSPACING_MARKS, TRAIT_NONSPACING_MARK);
for (let i = 0, rank = 1; i < COMBINING_ORDER.length; rank++) {
  const length = COMBINING_ORDER[i]!;
  const deltas = COMBINING_ORDER.slice(i + 1, i + 1 + length);
  mark(deltas, TRAIT_COMBINING);
  eachRange(deltas, (first, end) => {
    for (let codePoint = first; codePoint < end; codePoint++) combiningRanks.set(codePoint, rank);
  });
  i += 1 + length;
}

const simpleLowercase: ReadonlyMap<number, number> = (() => {
  const lower = new Map<number, number>();
  for (let i = 0; i < LOWERCASE.length; i += 4) {
    const [first, step, count, shift] = LOWERCASE.slice(i, i + 4) as [number, number, number, number];
    for (let k = 0; k < count; k++) lower.set(first + k * step, first + k * step + shift);
  }
  return lower;
})();

/** The rank of a code point's canonical combining class; 0 for the starters, which canonical ordering never moves. */
export function combiningRank(codePoint: number): number {
  return (traitsOf[codePoint]! & TRAIT_COMBINING) === 0 ? 0 : combiningRanks.get(codePoint)!;
}

/** LATIN CAPITAL LETTER I WITH DOT ABOVE: the one code point with more than one in lower case, `i` and U+0307. */
export const CAPITAL_I_WITH_DOT = 0x130;

/** The lower case of one code point out of context: a final capital sigma becomes σ, not ς. */
export function lowercaseOf(codePoint: number): number {
  return simpleLowercase.get(codePoint) ?? codePoint;
}

const decompositions = new Map<number, readonly number[]>();

/** The canonical decomposition of a code point that has one. The engine may do it: Unicode never changes any. */
export function decompositionOf(codePoint: number): readonly number[] {
  const known = decompositions.get(codePoint);
  if (known !== undefined) return known;
  const parts = Array.from(String.fromCodePoint(codePoint).normalize('NFD'), (c) => c.codePointAt(0)!);
  decompositions.set(codePoint, parts);
  return parts;
}
