/**
 * Which pieces of a window a gold answer is, for training: positions of its first and last piece, or [CLS] and [CLS]
 * (0, 0) where the window does not hold the whole answer or there is none.
 *
 * Source: `prepare_train_features` of transformers' `run_qa.py`, by character offsets; `read_squad_examples`,
 * `convert_examples_to_features` and `_improve_answer_span` of google-research/bert `run_squad.py`, by words.
 */
import type { Encoding } from '../tokenizers/index.ts';
import { splitOnSpaces } from './python-strings.ts';
import type { SquadAnswer } from './squad-dataset.ts';
import type { PieceSpan } from './window-spans.ts';
import type { ContextWindow } from './windows.ts';

/** Positions in a window; 0 is [CLS]. */
export interface AnswerLabel {
  readonly startPosition: number;
  readonly endPosition: number;
}

export const noAnswerLabel: AnswerLabel = { startPosition: 0, endPosition: 0 };

/**
 * The last piece that begins at or before the answer, and the first that ends at or after its end.
 *
 * One departure from `run_qa.py`, whose search for the first piece does not stop at the end of the context: an answer
 * that begins in a window's very last piece gets there the window's last padding position as its start. Here it gets
 * that piece. At 384/128 that concerns none of the 21,107 windows of a quarter of SQuAD's training set.
 */
export function labelByOffsets(window: ContextWindow, answer: SquadAnswer | undefined): AnswerLabel {
  const { starts, ends, contextBegin } = window;
  const last = starts.length - 1;
  if (answer === undefined || last < 0) return noAnswerLabel;
  const answerEnd = answer.start + answer.text.length;
  if (starts[0]! > answer.start || ends[last]! < answerEnd) return noAnswerLabel;
  return {
    startPosition: contextBegin + lowerBound(starts, answer.start + 1) - 1,
    endPosition: contextBegin + lowerBound(ends, answerEnd),
  };
}

/** A span of the context's pieces as positions in a window, or no answer where the window does not hold all of it. */
export function labelBySpan(window: ContextWindow, span: PieceSpan): AnswerLabel {
  const { firstPiece, contextBegin, contextEnd } = window;
  if (span.begin < firstPiece || span.end > firstPiece + contextEnd - contextBegin) return noAnswerLabel;
  const shift = contextBegin - firstPiece;
  return { startPosition: span.begin + shift, endPosition: span.end - 1 + shift };
}

/**
 * The answer's pieces in the whole context, by `run_squad.py`: all pieces of the words that it touches, narrowed to the
 * first run among them that is exactly the answer's own pieces, if there is one.
 *
 * Example: "The leader was John Smith (1895-1943)." and the answer "1895". It touches the word "(1895-1943).", whose
 * pieces are ( 1895 - 1943 ) . ; among them the run 1895 is the answer. For "Japan" in "Japanese" there is no such run,
 * and the label is the word.
 *
 * @returns `undefined` where the reference leaves the example out of training: white space in the answer other than
 *   plain spaces (a no-break space, say) keeps it from being found among the words
 */
export function answerSpanByWords(
  context: string,
  pieces: Encoding,
  answer: SquadAnswer,
  answerIds: Int32Array,
): PieceSpan | undefined {
  const firstWord = wordAt(context, answer.start);
  const lastWord = wordAt(context, answer.start + answer.text.length - 1);
  if (firstWord === undefined || lastWord === undefined) return undefined;
  const words = context.slice(firstWord.begin, lastWord.end).replace(/[ \t\r\n\u202f]+/g, ' ');
  if (!words.includes(splitOnSpaces(answer.text).join(' '))) return undefined;

  const begin = lowerBound(pieces.starts, firstWord.begin);
  const end = lowerBound(pieces.starts, lastWord.end);
  for (let start = begin; answerIds.length > 0 && start + answerIds.length <= end; start++) {
    if (answerIds.every((id, index) => pieces.ids[start + index] === id)) {
      return { begin: start, end: start + answerIds.length };
    }
  }
  return begin < end ? { begin, end } : undefined;
}

/** What separates words in `read_squad_examples`. */
function isWordSeparator(unit: string | undefined): boolean {
  return unit === ' ' || unit === '\t' || unit === '\r' || unit === '\n' || unit === '\u202f';
}

/** The UTF-16 bounds of the word at an offset, or of the word before where a separator stands there. */
function wordAt(text: string, offset: number): PieceSpan | undefined {
  let begin = offset;
  while (begin >= 0 && isWordSeparator(text[begin])) begin--;
  if (begin < 0) return undefined;
  let end = begin + 1;
  while (begin > 0 && !isWordSeparator(text[begin - 1])) begin--;
  while (end < text.length && !isWordSeparator(text[end])) end++;
  return { begin, end };
}

/** The first index whose value is at least `bound`, in an ascending array. */
function lowerBound(values: Int32Array, bound: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
