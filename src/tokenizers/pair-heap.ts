/** A heap of pairs of pieces, the most frequent on top; of equally frequent ones the one of the lowest ids. */

/** Ids are below 2^26, so that two of them make an exact double. */
const SHIFT = 2 ** 26;

export function pairKey(left: number, right: number): number {
  return left * SHIFT + right;
}

export function pairOf(key: number): { left: number; right: number } {
  return { left: Math.floor(key / SHIFT), right: key % SHIFT };
}

interface HeapEntry {
  readonly key: number;
  readonly count: number;
}

function comesFirst(a: HeapEntry, b: HeapEntry): boolean {
  return a.count > b.count || (a.count === b.count && a.key < b.key);
}

/** A binary heap: the parent of entry i is entry (i - 1) / 2, rounded down, and comes before it. */
export class PairHeap {
  readonly #entries: HeapEntry[] = [];

  push(key: number, count: number): void {
    const entries = this.#entries;
    const entry = { key, count };
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesFirst(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): HeapEntry | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && comesFirst(entries[child + 1]!, entries[child]!)) child++;
      if (!comesFirst(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
    return top;
  }
}
