/** How often which two pieces are neighbours, kept up to date while pairs are joined. */
import { PairHeap, pairKey, pairOf } from './pair-heap.ts';
import { PairTable } from './pair-table.ts';

/** Words as pieces, one behind the other in one array. */
export interface SpelledWords {
  /** Piece ids of all words. */
  readonly symbols: Int32Array;
  /** Where each word begins in `symbols`, and behind them where the last one ends: one more than there are words. */
  readonly begins: Int32Array;
  /** How often each word occurs. */
  readonly counts: Float64Array;
}

export interface CountedPair {
  readonly left: number;
  readonly right: number;
  readonly count: number;
}

export class PairCounts {
  readonly #symbols: Int32Array;
  readonly #begins: Int32Array;
  readonly #counts: Float64Array;
  /** Pieces in each word by now. */
  readonly #lengths: Int32Array;
  readonly #pairs = new PairTable();
  readonly #heap = new PairHeap();

  /** @param words whose symbols are overwritten from now on */
  constructor({ symbols, begins, counts }: SpelledWords) {
    this.#symbols = symbols;
    this.#begins = begins;
    this.#counts = counts;
    this.#lengths = Int32Array.from(counts, (_, word) => begins[word + 1]! - begins[word]!);
    for (let word = 0; word < counts.length; word++) {
      for (let i = begins[word]! + 1; i < begins[word + 1]!; i++) {
        const pair = this.#pairs.numberOf(symbols[i - 1]!, symbols[i]!);
        this.#pairs.addCount(pair, counts[word]!);
        this.#pairs.addWord(pair, word);
      }
    }
    for (let pair = 0; pair < this.#pairs.size; pair++) this.#push(pair);
  }

  /** The most frequent pair; of several the one of the lowest ids. */
  mostFrequent(): CountedPair | undefined {
    for (let top = this.#heap.pop(); top !== undefined; top = this.#heap.pop()) {
      const { left, right } = pairOf(top.key);
      const count = this.#pairs.count(this.#pairs.numberOf(left, right));
      if (count === top.count) return { left, right, count };
      if (count > 0) this.#heap.push(top.key, count); // it has become rarer since
    }
    return undefined;
  }

  /** Replaces a pair by one piece in every word. */
  join(left: number, right: number, joined: number): void {
    const risen = new Set<number>();
    for (const word of this.#pairs.takeWords(this.#pairs.numberOf(left, right))) {
      this.#joinIn(word, left, right, joined, risen);
    }
    for (const pair of risen) this.#push(pair);
  }

  /** The word is written over itself: what it becomes is never longer than what has been read. */
  #joinIn(word: number, left: number, right: number, joined: number, risen: Set<number>): void {
    const symbols = this.#symbols;
    const begin = this.#begins[word]!;
    const end = begin + this.#lengths[word]!;
    const count = this.#counts[word]!;
    let to = begin;
    for (let i = begin; i < end; i++) {
      if (symbols[i] !== left || i + 1 === end || symbols[i + 1] !== right) {
        symbols[to++] = symbols[i]!;
        continue;
      }
      if (to > begin) {
        const before = symbols[to - 1]!;
        this.#fall(before, left, count);
        risen.add(this.#rise(before, joined, count, word));
      }
      if (i + 2 < end) {
        const behind = symbols[i + 2]!;
        this.#fall(right, behind, count);
        risen.add(this.#rise(joined, behind, count, word));
      }
      symbols[to++] = joined;
      i++;
    }
    this.#lengths[word] = to - begin;
  }

  #rise(left: number, right: number, by: number, word: number): number {
    const pair = this.#pairs.numberOf(left, right);
    this.#pairs.addCount(pair, by);
    this.#pairs.addWord(pair, word);
    return pair;
  }

  #fall(left: number, right: number, by: number): void {
    this.#pairs.addCount(this.#pairs.numberOf(left, right), -by);
  }

  #push(pair: number): void {
    const count = this.#pairs.count(pair);
    if (count > 0) this.#heap.push(pairKey(this.#pairs.left(pair), this.#pairs.right(pair)), count);
  }
}
