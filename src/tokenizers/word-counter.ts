/**
 * Counts the words of a corpus, as BERT's basic tokenizer cuts them: what a vocabulary is learnt from.
 *
 * Text is turned into words unit by unit from the tokenizer's own table ({@link buildSymbolTable}); where that has no
 * answer, the rest of the run up to the next white space goes through the {@link BasicTokenizer}.
 *
 * Memory is bounded by the number of distinct words. When there are too many, those that were met least often so far
 * are forgotten (the idea of Manku and Motwani, "Approximate frequency counts over data streams", VLDB 2002): a word
 * that is frequent throughout the corpus keeps its count but for what was lost before it had become frequent.
 */
import { BasicTokenizer } from './basic-tokenizer.ts';
import type { NormalizerOptions } from './normalizer.ts';
import { normalizerOptions } from './normalizer.ts';
import { buildSymbolTable, IRREGULAR } from './symbol-table.ts';
import { isolated, SPACE_SYMBOL } from './word-piece.ts';
import { EMPTY_HASH, hashWith, WordTable } from './word-table.ts';

export interface WordCounterOptions extends Partial<NormalizerOptions> {
  /** Distinct words kept in memory. Default 4,000,000. */
  readonly maxWords?: number;
  /** Longer words, in code points, are left out: the tokenizer makes one [UNK] of them. Default 100. */
  readonly maxWordLength?: number;
}

/** What the counts leave out. */
export interface LeftOut {
  /** Rare words that were forgotten, to stay within `maxWords`; a word that came again was forgotten more than once. */
  readonly rareWords: number;
  /** How often those were met. */
  readonly rareOccurrences: number;
  /** How often a word was met that is longer than `maxWordLength`. */
  readonly longOccurrences: number;
}

export class WordCounter {
  readonly #tokenizer: BasicTokenizer;
  readonly #symbols: Int32Array;
  readonly #maxWords: number;
  readonly #maxWordLength: number;
  /** The word at hand: room for one whose code points all take two units. */
  readonly #word: Uint16Array;
  #table = new WordTable();
  #rareWords = 0;
  #rareOccurrences = 0;
  #longOccurrences = 0;
  #occurrences = 0;

  constructor({ maxWords = 4_000_000, maxWordLength = 100, ...normalization }: WordCounterOptions = {}) {
    this.#tokenizer = new BasicTokenizer(normalization);
    this.#symbols = unitTable(normalizerOptions(normalization));
    this.#maxWords = maxWords;
    this.#maxWordLength = maxWordLength;
    this.#word = new Uint16Array(2 * maxWordLength);
  }

  /** Counts the words of a stretch of text that begins and ends between words. */
  add(text: string): void {
    const symbols = this.#symbols;
    const word = this.#word;
    let length = 0;
    let hash = EMPTY_HASH;
    for (let i = 0; i < text.length; i++) {
      const symbol = symbols[text.charCodeAt(i)]!;
      if (symbol >= 0) {
        if (length < word.length) word[length] = symbol;
        length++;
        hash = hashWith(hash, symbol);
      } else if (symbol === IRREGULAR) {
        const begin = i - length; // a regular unit is a unit of its word
        while (i < text.length && symbols[text.charCodeAt(i)] !== SPACE_SYMBOL) i++;
        for (const { text: other } of this.#tokenizer.words(text.slice(begin, i))) this.#addWord(other);
        length = 0;
        hash = EMPTY_HASH;
      } else {
        if (length > 0) this.#add(length, hash);
        length = 0;
        hash = EMPTY_HASH;
        if (symbol === SPACE_SYMBOL) continue;
        word[0] = isolated(symbol); // isolated() is its own inverse
        this.#add(1, hashWith(EMPTY_HASH, word[0]));
      }
    }
    if (length > 0) this.#add(length, hash);
  }

  /** How many words were met, all occurrences counted. */
  get occurrences(): number {
    return this.#occurrences;
  }

  get leftOut(): LeftOut {
    return {
      rareWords: this.#rareWords,
      rareOccurrences: this.#rareOccurrences,
      longOccurrences: this.#longOccurrences,
    };
  }

  /** How often each word was met. */
  counts(): Map<string, number> {
    return new Map(this.#table.entries());
  }

  #addWord(text: string): void {
    let hash = EMPTY_HASH;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (i < this.#word.length) this.#word[i] = unit;
      hash = hashWith(hash, unit);
    }
    this.#add(text.length, hash, text.length > this.#maxWordLength ? Array.from(text).length : text.length);
  }

  /** Counts the word of the first `length` units of `#word`. */
  #add(length: number, hash: number, codePoints = length): void {
    this.#occurrences++;
    if (codePoints > this.#maxWordLength) {
      this.#longOccurrences++;
      return;
    }
    this.#table.add(this.#word, length, hash);
    if (this.#table.size <= this.#maxWords) return;
    // Half of them, so that it does not happen again at the next word.
    const { table, pruned } = this.#table.withoutRarest(Math.floor(this.#maxWords / 2));
    this.#table = table;
    this.#rareWords += pruned.words;
    this.#rareOccurrences += pruned.occurrences;
  }
}

/** For each UTF-16 unit the unit that it normalises to, {@link isolated} if that is a word; a space; or irregular. */
function unitTable(options: NormalizerOptions): Int32Array {
  const table = buildSymbolTable({ symbolOf: (codePoint) => codePoint }, options);
  // A few ideographs decompose into one that takes two units.
  return table.map((symbol) => (symbol > 0xffff || symbol < isolated(0xffff) ? IRREGULAR : symbol));
}
