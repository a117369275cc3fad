/** Counts texts of which not all was read, so that no cut is silent. */

/** A text as a pipeline read it. */
interface ReadText {
  /** Pieces that did not fit. */
  readonly cutPieces: number;
}

export class CutTexts {
  #texts = 0;
  #cut = 0;
  #first = 0;
  #pieces = 0;

  add({ cutPieces }: ReadText): void {
    this.#texts += 1;
    if (cutPieces === 0) return;
    if (this.#cut === 0) this.#first = this.#texts;
    this.#cut += 1;
    this.#pieces += cutPieces;
  }

  /** Counts texts on their way to somebody else. */
  async *counted<Text extends ReadText>(texts: AsyncIterable<Text>): AsyncGenerator<Text, void, undefined> {
    for await (const text of texts) {
      this.add(text);
      yield text;
    }
  }

  /** `set.csv: 2 texts, the first of them 7, were cut: 31 pieces were not read (--max-seq-length)`, if any was. */
  warning(where: string, unit: 'line' | 'text'): string | undefined {
    if (this.#cut === 0) return undefined;
    const texts =
      this.#cut === 1
        ? `${unit} ${this.#first} was`
        : `${this.#cut} ${unit}s, the first of them ${this.#first}, were`;
    const pieces = this.#pieces === 1 ? '1 piece was' : `${this.#pieces} pieces were`;
    return `${where}: ${texts} cut: ${pieces} not read (--max-seq-length)`;
  }
}
