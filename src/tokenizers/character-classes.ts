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
export const traitsOf: Uint8Array = (() => {
  const traits = new Uint8Array(CODE_POINTS);
  const sets: [readonly number[], number][] = [
    [DROPPED, TRAIT_DROPPED],
    [WHITESPACE, TRAIT_WHITESPACE],
    [PUNCTUATION, TRAIT_PUNCTUATION],
    [CHINESE, TRAIT_CHINESE],
    [DECOMPOSED, TRAIT_DECOMPOSED],
    [NONSPACING_MARKS, TRAIT_NONSPACING_MARK],
  ];
  for (const [deltas, trait] of sets) {
    eachRange(deltas, (first, end) => {
      for (let codePoint = first; codePoint < end; codePoint++) traits[codePoint]! |= trait;
    });
  }
  return traits;
})();

const combiningOrder: ReadonlyMap<number, number> = (() => {
  const order = new Map<number, number>();
  for (let i = 0, rank = 1; i < COMBINING_ORDER.length; rank++) {
    const length = COMBINING_ORDER[i]!;
    eachRange(COMBINING_ORDER.slice(i + 1, i + 1 + length), (first, end) => {
      for (let codePoint = first; codePoint < end; codePoint++) order.set(codePoint, rank);
    });
    i += 1 + length;
  }
  return order;
})();

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
  return combiningOrder.get(codePoint) ?? 0;
}

/** LATIN CAPITAL LETTER I WITH DOT ABOVE: the one code point with more than one in lower case, `i` and U+0307. */
export const CAPITAL_I_WITH_DOT = 0x130;

/** The lower case of one code point out of context: a final capital sigma becomes σ, not ς. */
export function lowercaseOf(codePoint: number): number {
  return simpleLowercase.get(codePoint) ?? codePoint;
}

/** The canonical decomposition of one code point. The engine may do it: Unicode never changes a decomposition. */
export function decompositionOf(codePoint: number): number[] {
  if ((traitsOf[codePoint]! & TRAIT_DECOMPOSED) === 0) return [codePoint];
  return Array.from(String.fromCodePoint(codePoint).normalize('NFD'), (c) => c.codePointAt(0)!);
}
