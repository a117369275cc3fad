/**
 * WordPiece: each word is cut into the longest pieces of the vocabulary, from the left (Wu et al. 2016,
 * arXiv:1609.08144, section 4.1; `tokenization.py` of google-research/bert).
 *
 *     unaffable  ->  un ##aff ##able
 *
 * A word that has no such cut, or too many characters, is one [UNK].
 */
import type { EncodingBuffer } from './encoding.ts';
import { NO_PIECE, PieceTrie } from './piece-trie.ts';
import type { Alphabet } from './piece-trie.ts';

/** Between words. Symbols of characters inside words are the alphabet's, from 0. */
export const SPACE_SYMBOL = -1;

/** The symbol of a character that is a word of its own, such as a comma: below {@link SPACE_SYMBOL}. */
export function isolated(symbol: number): number {
  return -2 - symbol;
}

export interface WordPieceOptions {
  readonly unkId: number;
  /** What marks the pieces that continue a word: `##`. */
  readonly continuingSubwordPrefix: string;
  /** Longer words, in code points, are [UNK]. */
  readonly maxInputCharsPerWord: number;
}

export class WordPiece {
  readonly alphabet: Alphabet;
  readonly #trie: PieceTrie;
  readonly #unkId: number;
  readonly #maxWordLength: number;

  constructor(pieces: Iterable<readonly [piece: string, id: number]>, options: WordPieceOptions) {
    this.#trie = new PieceTrie(pieces, options.continuingSubwordPrefix);
    this.alphabet = this.#trie.alphabet;
    this.#unkId = options.unkId;
    this.#maxWordLength = options.maxInputCharsPerWord;
  }

  /**
   * Appends the pieces of the words in the first `length` symbols, and overwrites the symbol behind them. The offsets
   * of the i-th symbol are `shift + i` and one more.
   */
  tokenize(symbols: Int32Array, length: number, shift: number, out: EncodingBuffer): void {
    out.reserve(length);
    symbols[length] = SPACE_SYMBOL; // so that every word has an end
    const { cells, initial, continuation } = this.#trie;
    const { ids, starts, ends } = out;
    let count = out.length;
    let position = 0;
    while (position < length) {
      const first = symbols[position]!;
      if (first < 0) {
        if (first < SPACE_SYMBOL) {
          const cell = cells[initial + 1]! + 4 * isolated(first); // isolated() is its own inverse
          const id = cells[cell] === initial ? cells[cell + 2]! : NO_PIECE;
          ids[count] = id === NO_PIECE ? this.#unkId : id;
          starts[count] = shift + position;
          ends[count++] = shift + position + 1;
        }
        position++;
        continue;
      }
      const wordStart = position;
      const firstPiece = count;
      let node = initial;
      let pieceStart = position;
      let pieceEnd = position;
      let pieceId = NO_PIECE;
      for (;;) {
        const symbol = symbols[position]!;
        if (symbol >= 0) {
          const cell = cells[node + 1]! + 4 * symbol;
          if (cells[cell] === node) {
            node = cell;
            position++;
            const id = cells[cell + 2]!;
            if (id !== NO_PIECE) {
              pieceId = id;
              pieceEnd = position;
            }
            continue;
          }
        }
        // The trie goes no further: take the longest piece met, and go on behind it.
        if (pieceId === NO_PIECE) break;
        ids[count] = pieceId;
        starts[count] = shift + pieceStart;
        ends[count++] = shift + pieceEnd;
        if (symbol < 0 && pieceEnd === position) break;
        position = pieceEnd;
        pieceStart = pieceEnd;
        pieceId = NO_PIECE;
        node = continuation;
      }
      if (pieceId === NO_PIECE || position - wordStart > this.#maxWordLength) {
        while (symbols[position]! >= 0) position++;
        count = firstPiece;
        ids[count] = this.#unkId;
        starts[count] = shift + wordStart;
        ends[count++] = shift + position;
      }
    }
    out.length = count;
  }
}
