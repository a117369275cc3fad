/** The best so many of a long stream of scored spans, in typed arrays: millions pass by, few stay. */

export interface ScoredSpan {
  /** Which context. */
  readonly context: number;
  /** UTF-16 offsets in it. */
  readonly start: number;
  readonly end: number;
  /** Start logit plus end logit. */
  readonly score: number;
}

/** A binary heap with the least score at its root, which gives way to better ones. */
export class BoundedHeap {
  readonly #capacity: number;
  #length = 0;
  #scores = new Float64Array(64);
  /** Context, start and end of each. */
  #spans = new Int32Array(3 * 64);

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether a span of this score would be kept. */
  admits(score: number): boolean {
    return this.#length < this.#capacity || score > this.#scores[0]!;
  }

  add(context: number, start: number, end: number, score: number): void {
    if (!this.admits(score)) return;
    if (this.#length < this.#capacity) {
      if (this.#length === this.#scores.length) this.#grow();
      this.#rise(this.#length++, context, start, end, score);
    } else this.#sink(context, start, end, score);
  }

  /** What was kept, best first; of equal scores the earlier in the text, then the shorter. */
  sorted(): ScoredSpan[] {
    const spans = Array.from({ length: this.#length }, (_, place) => ({
      context: this.#spans[3 * place]!,
      start: this.#spans[3 * place + 1]!,
      end: this.#spans[3 * place + 2]!,
      score: this.#scores[place]!,
    }));
    return spans.sort(
      (a, b) => b.score - a.score || a.context - b.context || a.start - b.start || a.end - b.end,
    );
  }

  /** Moves an empty place up to where the new span belongs. */
  #rise(from: number, context: number, start: number, end: number, score: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#scores[parent]! <= score) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#put(place, context, start, end, score);
  }

  /** Moves the root's place down to where the new span belongs. */
  #sink(context: number, start: number, end: number, score: number): void {
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#length) break;
      if (child + 1 < this.#length && this.#scores[child + 1]! < this.#scores[child]!) child++;
      if (this.#scores[child]! >= score) break;
      this.#move(child, place);
      place = child;
    }
    this.#put(place, context, start, end, score);
  }

  #move(from: number, to: number): void {
    this.#scores[to] = this.#scores[from]!;
    this.#spans.copyWithin(3 * to, 3 * from, 3 * from + 3);
  }

  #put(place: number, context: number, start: number, end: number, score: number): void {
    this.#scores[place] = score;
    this.#spans[3 * place] = context;
    this.#spans[3 * place + 1] = start;
    this.#spans[3 * place + 2] = end;
  }

  #grow(): void {
    const scores = new Float64Array(2 * this.#scores.length);
    scores.set(this.#scores);
    this.#scores = scores;
    const spans = new Int32Array(2 * this.#spans.length);
    spans.set(this.#spans);
    this.#spans = spans;
  }
}
