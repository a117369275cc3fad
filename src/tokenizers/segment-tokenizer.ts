/**
 * Tokenizes stretches of text that hold no added token: normalisation, splitting into words, WordPiece.
 *
 * Text is turned into symbols unit by unit from a table ({@link buildSymbolTable}). Where the table has no answer, the
 * run between white space goes through the {@link Normalizer} instead: white space is as far as normalisation reaches.
 */
import type { EncodingBuffer } from './encoding.ts';
import { Normalizer } from './normalizer.ts';
import type { NormalizedText, NormalizerOptions } from './normalizer.ts';
import { IRREGULAR, buildSymbolTable, symbolOf } from './symbol-table.ts';
import { SPACE_SYMBOL } from './word-piece.ts';
import type { WordPiece } from './word-piece.ts';

/** UTF-16 units that are looked at together: enough to be fast, few enough to stay in the processor's cache. */
const BLOCK = 4096;
/** A run without white space may need more, once. */
const LARGEST_KEPT = 1 << 20;

export class SegmentTokenizer {
  readonly normalizer: Normalizer;
  readonly #wordPiece: WordPiece;
  readonly #symbolTable: Int32Array;
  #symbols = new Int32Array(BLOCK + 1);

  constructor(wordPiece: WordPiece, options: NormalizerOptions) {
    this.normalizer = new Normalizer(options);
    this.#wordPiece = wordPiece;
    this.#symbolTable = buildSymbolTable(wordPiece.alphabet, options);
  }

  /** Appends the pieces of `text.slice(from, to)`; offsets are those in `text`. */
  tokenize(text: string, from: number, to: number, out: EncodingBuffer): void {
    const table = this.#symbolTable;
    let size = BLOCK;
    for (let start = from; start < to;) {
      const limit = Math.min(start + size, to);
      const symbols = this.#symbolBuffer(limit - start);
      let lastSpace = start;
      let symbol = SPACE_SYMBOL;
      let position = start;
      for (; position < limit; position++) {
        symbol = table[text.charCodeAt(position)]!;
        if (symbol === IRREGULAR) break;
        if (symbol === SPACE_SYMBOL) lastSpace = position;
        symbols[position - start] = symbol;
      }
      if (symbol === IRREGULAR) {
        this.#wordPiece.tokenize(symbols, lastSpace - start, start, out);
        start = this.#nextSpace(text, position, to);
        this.tokenizeNormalized(this.normalizer.normalize(text, lastSpace, start), out);
      } else if (position === to) {
        this.#wordPiece.tokenize(symbols, to - start, start, out);
        start = to;
      } else if (lastSpace > start) {
        this.#wordPiece.tokenize(symbols, lastSpace - start, start, out);
        start = lastSpace;
        size = BLOCK;
      } else {
        size *= 2; // a run without white space that is longer than the block
      }
    }
  }

  /** Appends the pieces of code points `from` to `to` of a normalised text; offsets are those in its original. */
  tokenizeNormalized(
    { codePoints, starts, ends }: NormalizedText,
    out: EncodingBuffer,
    from = 0,
    to = codePoints.length,
  ): void {
    const symbols = this.#symbolBuffer(to - from);
    for (let i = from; i < to; i++) symbols[i - from] = symbolOf(codePoints[i]!, this.#wordPiece.alphabet);
    const first = out.length;
    this.#wordPiece.tokenize(symbols, to - from, from, out);
    // The offsets so far count normalised code points.
    for (let i = first; i < out.length; i++) {
      out.starts[i] = starts[out.starts[i]!]!;
      out.ends[i] = ends[out.ends[i]! - 1]!;
    }
  }

  #nextSpace(text: string, from: number, to: number): number {
    let position = from;
    while (position < to && this.#symbolTable[text.charCodeAt(position)] !== SPACE_SYMBOL) position++;
    return position;
  }

  /** Room for `length` symbols and the one behind them. */
  #symbolBuffer(length: number): Int32Array {
    if (length < this.#symbols.length) return this.#symbols;
    const larger = new Int32Array(length + 1);
    if (length <= LARGEST_KEPT) this.#symbols = larger;
    return larger;
  }
}
