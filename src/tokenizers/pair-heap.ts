/** A heap of pairs of pieces, the most frequent on top; of equally frequent ones the one of the lowest ids. */

/** Ids are below 2^26, so that two of them make an exact double. */
const SHIFT = 2 ** 26;

export function pairKey(left: number, right: number): number {
  return left * SHIFT + right;
}

export function pairOf(key: number): { left: number; right: number } {
  return { left: Math.floor(key / SHIFT), right: key % SHIFT };
}

/** A binary heap: the parent of entry i is entry (i - 1) / 2, rounded down, and comes before it. */
export class PairHeap {
  readonly #keys: number[] = [];
  readonly #counts: number[] = [];

  push(key: number, count: number): void {
    let at = this.#keys.length;
    this.#keys.push(key);
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBehind(parent, key, count)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, key, count);
  }

  pop(): { key: number; count: number } | undefined {
    const key = this.#keys.pop();
    const count = this.#counts.pop()!;
    if (key === undefined) return undefined;
    const size = this.#keys.length;
    if (size === 0) return { key, count };
    const top = { key: this.#keys[0]!, count: this.#counts[0]! };
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBehind(child, this.#keys[child + 1]!, this.#counts[child + 1]!))
        child++;
      if (this.#isBehind(child, key, count)) break;
      this.#move(child, at);
      at = child;
    }
    this.#put(at, key, count);
    return top;
  }

  /** Whether an entry comes after a pair that is not in the heap. */
  #isBehind(at: number, key: number, count: number): boolean {
    const own = this.#counts[at]!;
    return own < count || (own === count && this.#keys[at]! > key);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#keys[from]!, this.#counts[from]!);
  }

  #put(at: number, key: number, count: number): void {
    this.#keys[at] = key;
    this.#counts[at] = count;
  }
}
