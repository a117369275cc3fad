/**
 * The fast path of normalisation: for every UTF-16 unit the symbol that it normalises to, where that depends on no
 * neighbour; and the symbols of text that went through the general path.
 *
 * Lower-casing, accent stripping, white space, punctuation and ideographs are all in the table, so that most text is
 * normalised by one load a unit: uncased, `É` is simply the symbol of `e`.
 */
import {
  CAPITAL_I_WITH_DOT,
  TRAIT_CHINESE,
  TRAIT_DECOMPOSED,
  TRAIT_DROPPED,
  TRAIT_NONSPACING_MARK,
  TRAIT_PUNCTUATION,
  TRAIT_WHITESPACE,
  combiningRank,
  decompositionOf,
  lowercaseOf,
  traitsOf,
} from './character-classes.ts';
import type { NormalizerOptions } from './normalizer.ts';
import type { Alphabet } from './piece-trie.ts';
import { SPACE_SYMBOL, isolated } from './word-piece.ts';

/** In the table: the white-space delimited run around this unit must go through the general path. */
export const IRREGULAR = -0x80000000;

/** Numbers code points. */
export type Symbols = Pick<Alphabet, 'symbolOf'>;

/** The symbol of each UTF-16 unit, or {@link IRREGULAR}. */
export function buildSymbolTable(alphabet: Symbols, options: NormalizerOptions): Int32Array {
  return Int32Array.from({ length: 0x10000 }, (_, unit) => {
    const codePoint = regularForm(unit, options);
    if (codePoint === undefined) return IRREGULAR;
    const isIdeograph = options.handleChineseChars && (traitsOf[unit]! & TRAIT_CHINESE) !== 0;
    const symbol = symbolOf(codePoint, alphabet);
    return isIdeograph && symbol >= 0 ? isolated(symbol) : symbol;
  });
}

/** The one code point that a unit normalises to wherever it stands; undefined if there is none. */
function regularForm(unit: number, options: NormalizerOptions): number | undefined {
  const traits = traitsOf[unit]!;
  if (unit >= 0xd800 && unit < 0xe000) return undefined;
  if (options.cleanText && (traits & TRAIT_DROPPED) !== 0) return undefined;
  if ((traits & TRAIT_WHITESPACE) !== 0) return 0x20;
  let codePoint = unit;
  if (options.stripAccents) {
    const parts = (traits & TRAIT_DECOMPOSED) === 0 ? [unit] : decompositionOf(unit);
    const kept = parts.filter((part) => (traitsOf[part]! & TRAIT_NONSPACING_MARK) === 0);
    // What is a mark, or begins with one, may change places with its neighbours.
    if (kept.length !== 1 || combiningRank(parts[0]!) > 0) return undefined;
    codePoint = kept[0]!;
  }
  if (!options.lowercase) return codePoint;
  return codePoint === CAPITAL_I_WITH_DOT ? undefined : lowercaseOf(codePoint);
}

/** The symbol of a normalised code point: a space, a word of its own, or a character in a word. */
export function symbolOf(codePoint: number, alphabet: Symbols): number {
  const traits = traitsOf[codePoint]!;
  if ((traits & TRAIT_WHITESPACE) !== 0) return SPACE_SYMBOL;
  const symbol = alphabet.symbolOf(codePoint);
  return (traits & TRAIT_PUNCTUATION) === 0 ? symbol : isolated(symbol);
}
