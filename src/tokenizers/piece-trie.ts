/**
 * The pieces of a vocabulary as a double-array trie over symbols: one addition and one comparison a character.
 *
 * Aoe, "An efficient digital search algorithm by using a double-array structure", IEEE TSE 1989. The child of node n
 * by symbol s is the cell `base[n] + s`, if the parent of that cell is n. With the pieces `ab` and `ac`, symbols a = 3,
 * b = 4, c = 5, and base[root] = 1, the node of `a` is cell 4; if its base is 2, `ab` is cell 6 and `ac` cell 7.
 */

/** Stands for every code point that no piece holds. It leads to no child anywhere. */
export const UNKNOWN_SYMBOL = 0;
const INITIAL_SYMBOL = 1;
const CONTINUATION_SYMBOL = 2;
const FIRST_SYMBOL = 3;

/** In {@link PieceTrie.ids}: no piece ends at this node. */
export const NO_PIECE = -1;

const FREE = -1;
const ROOT = 0;

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

  /** The symbols of a piece, numbering the code points not met before. */
  add(piece: string): number[] {
    return Array.from(piece, (character) => {
      const codePoint = character.codePointAt(0)!;
      const known = this.symbolOf(codePoint);
      if (known !== UNKNOWN_SYMBOL) return known;
      if (codePoint < 0x10000) this.#basic[codePoint] = this.size;
      else this.#supplementary.set(codePoint, this.size);
      return this.size++;
    });
  }
}

interface Entry {
  readonly symbols: readonly number[];
  readonly id: number;
}

/** Two tries in one: the pieces that begin a word and, without their prefix, those that continue one. */
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
    const entries: Entry[] = [];
    for (const [piece, id] of pieces) {
      entries.push({ symbols: [INITIAL_SYMBOL, ...this.alphabet.add(piece)], id });
      if (piece.length > prefix.length && piece.startsWith(prefix)) {
        const rest = this.alphabet.add(piece.slice(prefix.length));
        entries.push({ symbols: [CONTINUATION_SYMBOL, ...rest], id });
      }
    }
    entries.push(
      { symbols: [INITIAL_SYMBOL], id: NO_PIECE },
      { symbols: [CONTINUATION_SYMBOL], id: NO_PIECE },
    );
    entries.sort((a, b) => compare(a.symbols, b.symbols));

    const cells = new Cells();
    cells.place(ROOT, entries, 0, entries.length, 0);
    // Behind the last node lie as many free cells as there are symbols, so that no look-up leaves the arrays.
    const length = cells.used + this.alphabet.size;
    this.cells = new Int32Array(4 * length);
    for (let cell = 0; cell < length; cell++) {
      this.cells[4 * cell] = 4 * cells.parent[cell]!;
      this.cells[4 * cell + 1] = 4 * cells.base[cell]!;
      this.cells[4 * cell + 2] = cells.ids[cell]!;
    }
    this.initial = 4 * (cells.base[ROOT]! + INITIAL_SYMBOL);
    this.continuation = 4 * (cells.base[ROOT]! + CONTINUATION_SYMBOL);
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/** The double array while it is being filled. Free cells form a ring, in ascending order, that begins at the root. */
class Cells {
  base = new Int32Array(0);
  parent = new Int32Array(0);
  ids = new Int32Array(0);
  /** One more than the last cell in use. */
  used = 1;
  #nextFree = new Int32Array(1);
  #previousFree = new Int32Array(1);

  constructor() {
    this.#grow(1 << 16);
    this.parent[ROOT] = ROOT;
  }

  /** Lays out the children of `node`, whose entries are `from` to `to` and agree in their first `depth` symbols. */
  place(node: number, entries: readonly Entry[], from: number, to: number, depth: number): void {
    const children: { symbol: number; from: number; to: number }[] = [];
    for (let i = from; i < to; i++) {
      const { symbols, id } = entries[i]!;
      if (symbols.length === depth) {
        this.ids[node] = id;
        continue;
      }
      const symbol = symbols[depth]!;
      const last = children.at(-1);
      if (last?.symbol === symbol) last.to = i + 1;
      else children.push({ symbol, from: i, to: i + 1 });
    }
    if (children.length === 0) return;
    const base = this.#findBase(children.map((child) => child.symbol));
    this.base[node] = base;
    for (const { symbol } of children) this.#occupy(base + symbol, node);
    for (const child of children) this.place(base + child.symbol, entries, child.from, child.to, depth + 1);
  }

  /** The lowest base, at least 0, at which the cells of all symbols (ascending) are free. */
  #findBase(symbols: readonly number[]): number {
    const [first] = symbols as [number];
    const span = symbols.at(-1)! + 1;
    for (let cell = this.#nextFree[ROOT]!; ; cell = this.#nextFree[cell]!) {
      // Round the ring there is no room: the new cells follow the last one looked at.
      if (cell === ROOT) {
        cell = this.parent.length;
        this.#grow(this.parent.length * 2 + span);
      }
      const base = cell - first;
      if (base < 0) continue;
      if (base + span > this.parent.length) this.#grow(this.parent.length * 2 + span);
      if (symbols.every((symbol) => this.parent[base + symbol] === FREE)) return base;
    }
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
    this.#nextFree = extended(this.#nextFree, length, 0);
    this.#previousFree = extended(this.#previousFree, length, 0);
    for (let cell = oldLength; cell < length; cell++) {
      const last = this.#previousFree[ROOT]!;
      this.#nextFree[last] = cell;
      this.#previousFree[cell] = last;
      this.#nextFree[cell] = ROOT;
      this.#previousFree[ROOT] = cell;
    }
  }
}

function extended(array: Int32Array, length: number, fill: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length).fill(fill, array.length);
  longer.set(array);
  return longer;
}
