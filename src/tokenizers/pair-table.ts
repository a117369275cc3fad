/**
 * Pairs of neighbouring pieces: how often each is met, and the words that hold it. A hash table with open addressing in
 * flat arrays, since a vocabulary's training goes through millions of pairs.
 */
import { withRoom } from './growing-array.ts';

const SMALLEST = 4096;
const EMPTY = -1;

export class PairTable {
  /** Number of distinct pairs. */
  size = 0;
  #lefts = new Int32Array(SMALLEST);
  #rights = new Int32Array(SMALLEST);
  #counts = new Float64Array(SMALLEST);
  /** Numbers of pairs; always at least half of them empty. */
  #slots = new Int32Array(2 * SMALLEST).fill(EMPTY);

  /** The words of each pair as a list: its last entry; of an entry its word, and the entry before it. */
  #lastEntries = new Int32Array(SMALLEST);
  #words = new Int32Array(SMALLEST);
  #previous = new Int32Array(SMALLEST);
  #entryCount = 0;

  /** The number of a pair, a new one if it was never met. */
  numberOf(left: number, right: number): number {
    if (this.size === this.#lefts.length) this.#enlarge();
    const mask = this.#slots.length - 1;
    let slot = firstSlot(left, right, mask);
    for (let pair = this.#slots[slot]!; pair !== EMPTY; pair = this.#slots[slot]!) {
      if (this.#lefts[pair] === left && this.#rights[pair] === right) return pair;
      slot = (slot + 1) & mask;
    }
    const pair = this.size++;
    this.#slots[slot] = pair;
    this.#lefts[pair] = left;
    this.#rights[pair] = right;
    this.#lastEntries[pair] = EMPTY;
    return pair;
  }

  left(pair: number): number {
    return this.#lefts[pair]!;
  }

  right(pair: number): number {
    return this.#rights[pair]!;
  }

  count(pair: number): number {
    return this.#counts[pair]!;
  }

  addCount(pair: number, by: number): void {
    this.#counts[pair]! += by;
  }

  /** Adds to the words that hold a pair; one may be in the list more than once. */
  addWord(pair: number, word: number): void {
    const last = this.#lastEntries[pair]!;
    if (last !== EMPTY && this.#words[last] === word) return;
    const entry = this.#entryCount++;
    if (entry === this.#words.length) {
      this.#words = withRoom(this.#words, entry + 1);
      this.#previous = withRoom(this.#previous, entry + 1);
    }
    this.#words[entry] = word;
    this.#previous[entry] = last;
    this.#lastEntries[pair] = entry;
  }

  /** Takes a pair that is no more, and returns the words that held it, or once did. */
  takeWords(pair: number): number[] {
    const words: number[] = [];
    for (let entry = this.#lastEntries[pair]!; entry !== EMPTY; entry = this.#previous[entry]!) {
      words.push(this.#words[entry]!);
    }
    this.#lastEntries[pair] = EMPTY;
    this.#counts[pair] = 0;
    return words;
  }

  #enlarge(): void {
    this.#lefts = withRoom(this.#lefts, this.size + 1);
    this.#rights = withRoom(this.#rights, this.size + 1);
    this.#counts = withRoom(this.#counts, this.size + 1);
    this.#lastEntries = withRoom(this.#lastEntries, this.size + 1);
    this.#slots = new Int32Array(2 * this.#slots.length).fill(EMPTY);
    const mask = this.#slots.length - 1;
    for (let pair = 0; pair < this.size; pair++) {
      let slot = firstSlot(this.#lefts[pair]!, this.#rights[pair]!, mask);
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = pair;
    }
  }
}

function firstSlot(left: number, right: number, mask: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & mask;
}
