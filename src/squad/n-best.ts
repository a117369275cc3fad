/**
 * Selection of the n best without sorting everything: of a window's 384 logits and the up to 400 spans they form, only
 * 20 are ever looked at.
 */
import { BertramError } from '../support/errors.ts';

/**
 * The indices of the n largest values, largest first: `np.argsort(values)[-1 : -n - 1 : -1]`.
 *
 * Of equal values the later index comes first, as with a stable ascending sort read backwards. NumPy's default sort is
 * stable only up to 16 values and beyond them leaves the order of equals to the machine's vector instructions.
 *
 * @param where names the values in error messages
 * @throws BertramError `failed` for NaN and plus infinity
 */
export function largestIndices(values: Float32Array, n: number, where: string): number[] {
  const best: number[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (best.length === n && value < values[best[n - 1]!]!) continue;
    // Minus infinity is a way to mask a position; NaN has no rank, and plus infinity no softmax.
    if (!(value < Infinity)) {
      throw new BertramError('failed', `${where}: expected finite logits, got ${value} at position ${index}`);
    }
    if (best.length === n) best.pop();
    let place = best.length;
    while (place > 0 && value >= values[best[place - 1]!]!) place--;
    best.splice(place, 0, index);
  }
  return best;
}

/** Keeps the n items of highest score, highest first; of equal scores the earlier item comes first. */
export class BestItems<Item extends { readonly score: number }> {
  readonly items: Item[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  /** Whether an item of this score would be kept. */
  admits(score: number): boolean {
    return this.items.length < this.#size || score > this.items.at(-1)!.score;
  }

  add(item: Item): void {
    if (!this.admits(item.score)) return;
    if (this.items.length === this.#size) this.items.pop();
    let place = this.items.length;
    while (place > 0 && item.score > this.items[place - 1]!.score) place--;
    this.items.splice(place, 0, item);
  }
}
