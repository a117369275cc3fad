/**
 * From the logits of all windows of all contexts to answers with probabilities.
 *
 * A span of at most L pieces scores start logit + end logit. Where windows overlap, the same span is scored more than
 * once, and the best counts, as in `utils_qa.py`. "No answer" scores the least of the windows' start + end logits of
 * [CLS], since it is true only if every window wants it. One softmax goes over all distinct spans of all contexts and
 * "no answer":
 *
 *     P(span) = exp(score(span)) / (exp(score(none)) + Σ exp(score(any span)))
 *
 * so that a score says how likely the answer is given everything that was read, and scores from different windows and
 * contexts can be compared. (transformers' pipeline multiplied the softmaxes of each window by itself: a window without
 * an answer then looks as sure as the one with it.)
 *
 * Windows stream through. Scores of spans that a later window may still see wait in a ring of rows, a row for each
 * first piece; what lies before the current window is settled: it joins the softmax's sum and contends for the best.
 * Time is S x L a window; memory does not grow with the text.
 */
import type { ContextWindow, WindowLogits } from '../squad/index.ts';
import type { Encoding } from '../tokenizers/index.ts';
import { BoundedHeap, type ScoredSpan } from './bounded-heap.ts';

export interface SpanSearchOptions {
  /** In pieces. */
  readonly maxAnswerLength: number;
  /** How many spans to keep. */
  readonly candidates: number;
}

export class SpanSearch {
  readonly #best: BoundedHeap;
  readonly #maxAnswerLength: number;
  #nullScore = Infinity;
  /** Sum over settled spans of exp(score - #shift), where #shift is the best of their scores. */
  #sum = 0;
  #shift = -Infinity;

  #context = -1;
  #encoding: Encoding | undefined;
  /** [rows, L] the best score so far of the span from a piece, by the piece's number modulo rows, and of its length. */
  #ring = new Float64Array(0);
  #rows = 0;
  /** The pieces whose rows are in use. */
  #begin = 0;
  #end = 0;

  constructor({ maxAnswerLength, candidates }: SpanSearchOptions) {
    this.#maxAnswerLength = maxAnswerLength;
    this.#best = new BoundedHeap(candidates);
  }

  /** Goes on to a context. Its windows follow, in order, with a least one piece of it in each. */
  beginContext(encoding: Encoding, longestWindow: number): void {
    this.#settleBefore(Infinity);
    this.#context++;
    this.#encoding = encoding;
    this.#begin = 0;
    this.#end = 0;
    this.#rows = Math.min(longestWindow, encoding.ids.length);
    const size = this.#rows * this.#maxAnswerLength;
    if (this.#ring.length < size) this.#ring = new Float64Array(size);
  }

  addWindow(window: ContextWindow, { startLogits, endLogits }: WindowLogits): void {
    const { contextBegin, contextEnd, firstPiece } = window;
    const spanLimit = this.#maxAnswerLength;
    const ring = this.#ring;
    this.#nullScore = Math.min(this.#nullScore, startLogits[0]! + endLogits[0]!);
    this.#settleBefore(firstPiece);
    this.#extendTo(firstPiece + contextEnd - contextBegin);
    for (let position = contextBegin; position < contextEnd; position++) {
      const row = ((firstPiece + position - contextBegin) % this.#rows) * spanLimit;
      const startLogit = startLogits[position]!;
      const lengths = Math.min(spanLimit, contextEnd - position);
      for (let k = 0; k < lengths; k++) {
        const score = startLogit + endLogits[position + k]!;
        if (score > ring[row + k]!) ring[row + k] = score;
      }
    }
  }

  /** Ends the search. Scores are still sums of logits; {@link probability} turns them into probabilities. */
  finish(): { readonly spans: ScoredSpan[]; readonly nullScore: number } {
    this.#settleBefore(Infinity);
    return { spans: this.#best.sorted(), nullScore: this.#nullScore };
  }

  /** Of a span, or of "no answer", with this score; to be asked when the search has finished. */
  probability(score: number): number {
    // Relative to the highest of all, so that nothing overflows.
    const shift = Math.max(this.#shift, this.#nullScore);
    const total = this.#sum * Math.exp(this.#shift - shift) + Math.exp(this.#nullScore - shift);
    return Math.exp(score - shift) / total;
  }

  #extendTo(end: number): void {
    for (let piece = this.#end; piece < end; piece++) {
      const row = (piece % this.#rows) * this.#maxAnswerLength;
      this.#ring.fill(-Infinity, row, row + this.#maxAnswerLength);
    }
    this.#end = Math.max(this.#end, end);
  }

  /** Spans that begin before the piece get no better any more. */
  #settleBefore(piece: number): void {
    const until = Math.min(piece, this.#end);
    if (this.#encoding === undefined || this.#begin >= until) return;
    const { starts, ends } = this.#encoding;
    const spanLimit = this.#maxAnswerLength;
    for (let first = this.#begin; first < until; first++) {
      const row = (first % this.#rows) * spanLimit;
      for (let k = 0; k < spanLimit; k++) {
        const score = this.#ring[row + k]!;
        if (score === -Infinity) break; // longer spans were seen by no window either
        this.#addToSum(score);
        if (this.#best.admits(score)) this.#best.add(this.#context, starts[first]!, ends[first + k]!, score);
      }
    }
    this.#begin = until;
  }

  #addToSum(score: number): void {
    if (score <= this.#shift) this.#sum += Math.exp(score - this.#shift);
    else {
      this.#sum = this.#sum * Math.exp(this.#shift - score) + 1;
      this.#shift = score;
    }
  }
}

/**
 * How many of the best spans must be looked at to find k that do not overlap. A span of at most L pieces overlaps fewer
 * than 2 L² others, so k answers can hide no more than 2 k L²; the limit, for large L, may cost the last of many answers.
 */
export function candidatesFor(topK: number, maxAnswerLength: number): number {
  return topK === 1 ? 1 : Math.min(2 * topK * maxAnswerLength ** 2, 2 ** 17);
}

/**
 * The best spans that share no character and no text: of "the Rhine", "Rhine" and a second "Rhine" further on, one.
 *
 * @param spans best first
 * @param contexts the texts that spans are offsets in
 */
export function distinctSpans(
  spans: readonly ScoredSpan[],
  topK: number,
  contexts: readonly string[],
): ScoredSpan[] {
  const chosen: ScoredSpan[] = [];
  const texts = new Set<string>();
  for (const span of spans) {
    if (chosen.length === topK) break;
    const { context, start, end } = span;
    if (chosen.some((other) => other.context === context && start < other.end && other.start < end)) continue;
    const text = contexts[context]!.slice(start, end).toLowerCase();
    if (texts.has(text)) continue;
    texts.add(text);
    chosen.push(span);
  }
  return chosen;
}
