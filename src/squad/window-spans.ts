/**
 * How a long context is cut into overlapping spans of pieces, by the two meanings that `doc_stride` has, and which of
 * the spans that hold a piece sees it best.
 *
 * Source: `Encoding::truncate` of Hugging Face tokenizers, as `run_qa.py` calls it (the overlap of neighbours), and
 * `convert_examples_to_features` of google-research/bert `run_squad.py` (the step from one to the next).
 */

/** Pieces `begin` to `end` - 1 of a context. */
export interface PieceSpan {
  readonly begin: number;
  readonly end: number;
}

/**
 * Spans of at most `room` pieces, neighbours sharing `overlap` of them, until the end is covered. A context without
 * pieces has one empty span. Requires `0 <= overlap < room`, unless the context fits.
 *
 * Example: 10 pieces, room 6, overlap 2 (so step 4): 0-6, 4-10.
 */
export function overlapSpans(length: number, room: number, overlap: number): PieceSpan[] {
  const spans = [{ begin: 0, end: Math.min(room, length) }];
  for (let begin = room - overlap; spans.at(-1)!.end < length; begin += room - overlap) {
    spans.push({ begin, end: Math.min(begin + room, length) });
  }
  return spans;
}

/**
 * Spans of at most `room` pieces that begin `step` pieces apart, until the end is covered. A step wider than the room
 * is taken as the room, so that nothing is skipped; a context without pieces has no span. Requires `step > 0`.
 *
 * Example: 10 pieces, room 6, step 2: 0-6, 2-8, 4-10.
 */
export function stepSpans(length: number, room: number, step: number): PieceSpan[] {
  const spans: PieceSpan[] = [];
  for (let begin = 0; length > 0; begin += Math.min(room, step)) {
    const end = Math.min(begin + room, length);
    spans.push({ begin, end });
    if (end === length) break;
  }
  return spans;
}

/**
 * For each piece the index of the span in which it has the most context: the larger of the smaller side's lengths,
 * plus a hundredth of the span's length; the first such span where they are equal.
 *
 * Example: in "the man went to the store and bought a gallon of milk" cut into "the man went to the", "to the store and
 * bought" and "and bought a gallon of", the piece "bought" has 4 pieces to its left and 0 to its right in the second
 * span (minimum 0), 1 and 3 in the third (minimum 1): the third is its span of maximum context.
 */
export function maxContextSpans(length: number, spans: readonly PieceSpan[]): Int32Array {
  const best = new Int32Array(length);
  let first = 0; // the first span that still reaches the piece; begins and ends both ascend
  for (let piece = 0; piece < length; piece++) {
    while (spans[first]!.end <= piece) first++;
    let bestScore = -Infinity;
    for (let index = first; index < spans.length && spans[index]!.begin <= piece; index++) {
      const { begin, end } = spans[index]!;
      const score = Math.min(piece - begin, end - 1 - piece) + 0.01 * (end - begin);
      if (score > bestScore) {
        bestScore = score;
        best[piece] = index;
      }
    }
  }
  return best;
}
