/**
 * Distinct words with their counts, in flat arrays: some fifty bytes a word, and no string for every word that is met.
 *
 * A hash table with open addressing (Knuth, TAOCP 3, section 6.4, algorithm L), whose slots hold the numbers of words.
 */
import { withRoom } from './growing-array.ts';

const SMALLEST = 1024;
const EMPTY = -1;

/** The hash of no units. */
export const EMPTY_HASH = 0x811c9dc5 | 0;

/** The hash of some units and one more (FNV-1a). */
export function hashWith(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}

/** What {@link WordTable.withoutRarest} left out. */
export interface PrunedWords {
  readonly words: number;
  /** The sum of their counts. */
  readonly occurrences: number;
}

export class WordTable {
  /** Number of distinct words. */
  size = 0;
  #counts = new Float64Array(SMALLEST);
  #hashes = new Int32Array(SMALLEST);
  /** The UTF-16 units of all words; those of word i end where those of word i + 1 begin. */
  #units = new Uint16Array(8 * SMALLEST);
  #begins = new Int32Array(SMALLEST + 1);
  /** Numbers of words; always more than half of them empty. */
  #slots = new Int32Array(2 * SMALLEST).fill(EMPTY);

  /** Counts the word of the first `length` units, whose {@link hashWith} is `hash`. */
  add(units: Uint16Array, length: number, hash: number, count = 1): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = firstSlot(hash, mask);
    for (let word = slots[slot]!; word !== EMPTY; word = slots[slot]!) {
      if (this.#hashes[word] === hash && this.#isWord(word, units, length)) {
        this.#counts[word]! += count;
        return;
      }
      slot = (slot + 1) & mask;
    }
    slots[slot] = this.size;
    this.#append(units, length, hash, count);
  }

  /** All words with their counts, in the order in which they came. */
  *entries(): Generator<[word: string, count: number], void, undefined> {
    for (let word = 0; word < this.size; word++) {
      const units = this.#units.subarray(this.#begins[word], this.#begins[word + 1]);
      yield [String.fromCharCode(...units), this.#counts[word]!];
    }
  }

  /** A table of at most `limit` words, without the rarest ones; words of the same count go or stay together. */
  withoutRarest(limit: number): { readonly table: WordTable; readonly pruned: PrunedWords } {
    const sorted = this.#counts.slice(0, this.size).sort();
    const rarest = this.size > limit ? sorted[this.size - limit - 1]! : 0;
    const table = new WordTable();
    let occurrences = 0;
    for (let word = 0; word < this.size; word++) {
      const count = this.#counts[word]!;
      if (count <= rarest) {
        occurrences += count;
        continue;
      }
      const units = this.#units.subarray(this.#begins[word], this.#begins[word + 1]);
      table.add(units, units.length, this.#hashes[word]!, count);
    }
    return { table, pruned: { words: this.size - table.size, occurrences } };
  }

  #isWord(word: number, units: Uint16Array, length: number): boolean {
    const begin = this.#begins[word]!;
    if (this.#begins[word + 1]! - begin !== length) return false;
    for (let i = 0; i < length; i++) if (this.#units[begin + i] !== units[i]) return false;
    return true;
  }

  #append(units: Uint16Array, length: number, hash: number, count: number): void {
    const word = this.size++;
    const begin = this.#begins[word]!;
    this.#units = withRoom(this.#units, begin + length);
    for (let i = 0; i < length; i++) this.#units[begin + i] = units[i]!;
    this.#begins[word + 1] = begin + length;
    this.#counts[word] = count;
    this.#hashes[word] = hash;
    if (this.size === this.#counts.length) this.#enlarge();
  }

  #enlarge(): void {
    this.#counts = withRoom(this.#counts, this.size + 1);
    this.#hashes = withRoom(this.#hashes, this.size + 1);
    this.#begins = withRoom(this.#begins, this.#counts.length + 1);
    const slots = new Int32Array(2 * this.#slots.length).fill(EMPTY);
    const mask = slots.length - 1;
    for (let word = 0; word < this.size; word++) {
      let slot = firstSlot(this.#hashes[word]!, mask);
      while (slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      slots[slot] = word;
    }
    this.#slots = slots;
  }
}

/** Where the search for a hash begins: its upper bits are the better mixed ones. */
function firstSlot(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask;
}
