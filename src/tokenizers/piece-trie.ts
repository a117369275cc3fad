/**
 * The pieces of a vocabulary as a double-array trie over symbols: one addition and one comparison a character.
 *
 * Aoe, "An efficient digital search algorithm by using a double-array structure", IEEE TSE 1989. The child of node n
 * by symbol s is the cell `base[n] + s`, if the parent of that cell is n. With the pieces `ab` and `ac`, symbols a = 3,
 * b = 4, c = 5, and base[root] = 1, the node of `a` is cell 4; if its base is 2, `ab` is cell 6 and `ac` cell 7.
 */

/** Stands for every code point that no piece holds. It leads to no child anywhere. */
export const UNKNOWN_SYMBOL = 0;
const FIRST_SYMBOL = 1;

/** In {@link PieceTrie.cells}: no piece ends at this node. */
export const NO_PIECE = -1;

/** Numbers the code points that occur in pieces, densely, in order of first appearance. */
export class Alphabet {
  readonly #basic = new Int32Array(0x10000);
  readonly #supplementary = new Map<number, number>();
  /** One more than the largest symbol. */
  size = FIRST_SYMBOL;

  symbolOf(codePoint: number): number {
    return codePoint < 0x10000
      ? this.#basic[codePoint]!
      : (this.#supplementary.get(codePoint) ?? UNKNOWN_SYMBOL);
  }

  /** Numbers the code points of a text that were not met before. */
  add(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const codePoint = text.codePointAt(i)!;
      if (codePoint > 0xffff) i++;
      if (this.symbolOf(codePoint) !== UNKNOWN_SYMBOL) continue;
      if (codePoint < 0x10000) this.#basic[codePoint] = this.size++;
      else this.#supplementary.set(codePoint, this.size++);
    }
  }
}

// Before a piece in its key: control characters, which no branch further down can be mistaken for.
const INITIAL = '\u0001';
const CONTINUATION = '\u0002';

/** A piece where the trie has it: under {@link INITIAL} as it is, under {@link CONTINUATION} without its prefix. */
interface Entry {
  readonly key: string;
  readonly id: number;
}

/** Two tries in one: the pieces that begin a word, and those that continue one. */
export class PieceTrie {
  readonly alphabet = new Alphabet();
  /**
   * Three numbers a cell, side by side since they are read together, at 4 times its index: the node it is a child
   * of; where its own children are; the id of the piece that ends there, or {@link NO_PIECE}. Nodes, too, are given
   * as 4 times their index.
   */
  readonly cells: Int32Array;
  /** The node before the first symbol of a word. */
  readonly initial: number;
  /** The node before the first symbol of a piece inside a word. */
  readonly continuation: number;

  /** @param prefix what marks the pieces that continue a word, `##` */
  constructor(pieces: Iterable<readonly [piece: string, id: number]>, prefix: string) {
    const entries: Entry[] = [
      { key: INITIAL, id: NO_PIECE },
      { key: CONTINUATION, id: NO_PIECE },
    ];
    for (const [piece, id] of pieces) {
      if (piece === '') continue;
      this.alphabet.add(piece);
      entries.push({ key: INITIAL + piece, id });
      if (piece.length > prefix.length && piece.startsWith(prefix)) {
        entries.push({ key: CONTINUATION + piece.slice(prefix.length), id });
      }
    }
    this.alphabet.add(INITIAL + CONTINUATION);
    entries.sort((a, b) => (a.key < b.key ? -1 : 1));

    const array = new DoubleArray(this.alphabet, entries);
    // Behind the last node lie as many free cells as there are symbols, so that no look-up leaves the array.
    const length = array.used + this.alphabet.size;
    this.cells = new Int32Array(4 * length);
    for (let cell = 0; cell < length; cell++) {
      this.cells[4 * cell] = 4 * array.parent[cell]!;
      this.cells[4 * cell + 1] = 4 * array.base[cell]!;
      this.cells[4 * cell + 2] = array.ids[cell]!;
    }
    const rootOf = (marker: string) => 4 * (array.base[ROOT]! + this.alphabet.symbolOf(marker.charCodeAt(0)));
    this.initial = rootOf(INITIAL);
    this.continuation = rootOf(CONTINUATION);
  }
}

const FREE = -1;
const ROOT = 0;

/** The double array while it is being filled. Free cells form a ring, in ascending order, that begins at the root. */
class DoubleArray {
  base = new Int32Array(0);
  parent = new Int32Array(0);
  ids = new Int32Array(0);
  /** One more than the last cell in use. */
  used = 1;
  readonly #alphabet: Alphabet;
  readonly #entries: readonly Entry[];
  #nextFree = new Int32Array(1);
  #previousFree = new Int32Array(1);

  /** @param entries sorted by key */
  constructor(alphabet: Alphabet, entries: readonly Entry[]) {
    this.#alphabet = alphabet;
    this.#entries = entries;
    this.#grow(4 * entries.length + alphabet.size);
    this.parent[ROOT] = ROOT;
    this.#place(ROOT, 0, entries.length, 0);
  }

  /** Lays out what is below `node`: the entries `from` to `to`, whose keys agree in their first `depth` units. */
  #place(node: number, from: number, to: number, depth: number): void {
    const first = this.#entries[from]!;
    let next = from;
    if (first.key.length === depth) {
      this.ids[node] = first.id;
      next++;
    }
    if (next === to) return;
    const codePoints: number[] = [];
    const bounds: number[] = [];
    for (; next < to; next++) {
      const codePoint = this.#entries[next]!.key.codePointAt(depth)!;
      if (codePoint === codePoints.at(-1)) continue;
      codePoints.push(codePoint);
      bounds.push(next);
    }
    bounds.push(to);
    const symbols = codePoints.map((codePoint) => this.#alphabet.symbolOf(codePoint));
    const base = this.#findBase(symbols);
    this.base[node] = base;
    for (const symbol of symbols) this.#occupy(base + symbol, node);
    codePoints.forEach((codePoint, i) => {
      const length = codePoint > 0xffff ? 2 : 1;
      this.#place(base + symbols[i]!, bounds[i]!, bounds[i + 1]!, depth + length);
    });
  }

  /** The lowest base, at least 0, at which the cells of all symbols are free. */
  #findBase(symbols: readonly number[]): number {
    const lowest = symbols.reduce((a, b) => Math.min(a, b));
    const span = symbols.reduce((a, b) => Math.max(a, b)) + 1;
    let cell = this.#nextFree[ROOT]!;
    for (;;) {
      if (cell === ROOT) {
        // Once round the ring: there is room only in new cells.
        cell = this.parent.length;
        this.#grow(2 * cell + span);
      }
      const base = cell - lowest;
      if (base + span > this.parent.length) this.#grow(2 * this.parent.length + span);
      if (base >= 0 && this.#fits(base, symbols)) return base;
      cell = this.#nextFree[cell]!;
    }
  }

  #fits(base: number, symbols: readonly number[]): boolean {
    for (const symbol of symbols) if (this.parent[base + symbol] !== FREE) return false;
    return true;
  }

  #occupy(cell: number, node: number): void {
    this.parent[cell] = node;
    this.used = Math.max(this.used, cell + 1);
    const next = this.#nextFree[cell]!;
    const previous = this.#previousFree[cell]!;
    this.#nextFree[previous] = next;
    this.#previousFree[next] = previous;
  }

  #grow(length: number): void {
    const oldLength = Math.max(this.parent.length, 1);
    this.base = extended(this.base, length, 0);
    this.parent = extended(this.parent, length, FREE);
    this.ids = extended(this.ids, length, NO_PIECE);
    this.#nextFree = extended(this.#nextFree, length, ROOT);
    this.#previousFree = extended(this.#previousFree, length, ROOT);
    let last = this.#previousFree[ROOT]!;
    for (let cell = oldLength; cell < length; cell++) {
      this.#nextFree[last] = cell;
      this.#previousFree[cell] = last;
      last = cell;
    }
    this.#previousFree[ROOT] = last;
  }
}

function extended(array: Int32Array, length: number, fill: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length).fill(fill, array.length);
  longer.set(array);
  return longer;
}
