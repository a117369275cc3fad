/**
 * A question and its context as model inputs: `[CLS] question [SEP] context [SEP]`, as many windows as it takes to read
 * the whole context.
 *
 * Source: `prepare_train_features` and `prepare_validation_features` of transformers' `run_qa.py` (`overlap`), and
 * `convert_examples_to_features` of google-research/bert `run_squad.py` (`step`). `run_qa.py` strips white space from
 * the left of questions; BERT's tokenizer makes no piece of white space, so that needs no doing here.
 */
import { badInput, BertramError } from '../support/errors.ts';
import type { BertTokenizer, Encoding } from '../tokenizers/index.ts';
import { overlapSpans, maxContextSpans, stepSpans, type PieceSpan } from './window-spans.ts';

/** What windows need of a tokenizer. */
export type WindowTokenizer = Pick<BertTokenizer, 'clsId' | 'sepId' | 'encode'>;

type SpecialIds = Pick<BertTokenizer, 'clsId' | 'sepId'>;

export interface WindowOptions {
  /** Pieces in a window, the three special tokens included. */
  readonly maxSeqLength?: number;
  /** Pieces that neighbouring windows share (`overlap`), or from one window's begin to the next one's (`step`). */
  readonly docStride?: number;
  readonly strideMode?: 'overlap' | 'step';
  /**
   * Pieces that an over-long question is cut to. In `step` mode every longer question is, as in `run_squad.py`. In
   * `overlap` mode only where `run_qa.py` has no features at all and stops: where the whole question leaves a context
   * that must be split no more room than `docStride`. Cut pieces are counted in `droppedQuestionPieces`.
   */
  readonly maxQueryLength?: number;
}

export const defaultWindowOptions = {
  maxSeqLength: 384,
  docStride: 128,
  strideMode: 'overlap',
  maxQueryLength: 64,
} as const satisfies Required<WindowOptions>;

/** One window, without padding: S pieces, of which C are the context's. */
export interface ContextWindow {
  /** [S] */
  readonly inputIds: Int32Array;
  /** [S] 0 for `[CLS] question [SEP]`, 1 for `context [SEP]`. */
  readonly tokenTypeIds: Uint8Array;
  /** Position of the first context piece; the question's are 1 to `contextBegin` - 2. */
  readonly contextBegin: number;
  /** One past the position of the last context piece, which is that of the last `[SEP]`. */
  readonly contextEnd: number;
  /** Which of the context's pieces the first one here is. */
  readonly firstPiece: number;
  /** [C] UTF-16 offset in the context of each context piece; position p is at `p - contextBegin`. */
  readonly starts: Int32Array;
  /** [C] */
  readonly ends: Int32Array;
  /** [C] in `step` mode: 1 where no other window shows the piece with more context around it. */
  readonly maxContext: Uint8Array | undefined;
  /** Pieces cut from the question's end; 0 but for over-long questions. */
  readonly droppedQuestionPieces: number;
}

/**
 * The windows of one question over one context, in order. The offset arrays are views of the context's own.
 *
 * Example: a question of 12 pieces at 384/128 leaves room for 369; a context of 1,000 pieces takes the windows 0-369,
 * 241-610, 482-851 and 723-1000 in `overlap` mode, and in `step` mode 0-369, 128-497, ... , 640-1000.
 *
 * @param where names the question in error messages
 * @throws BertramError `bad-input` where no such windows exist: the question leaves no room, or not more than the overlap
 */
export function contextWindows(
  question: Encoding,
  context: Encoding,
  specials: SpecialIds,
  options: WindowOptions = {},
  where = 'question',
): ContextWindow[] {
  const layout = { ...defaultWindowOptions, ...options };
  checkWindowOptions(layout);
  const questionLength = keptQuestionLength(question.ids.length, context.ids.length, layout, where);
  const room = layout.maxSeqLength - questionLength - 3;
  const spans =
    layout.strideMode === 'overlap'
      ? overlapSpans(context.ids.length, room, layout.docStride)
      : stepSpans(context.ids.length, room, layout.docStride);
  const bestSpans = layout.strideMode === 'step' ? maxContextSpans(context.ids.length, spans) : undefined;
  return spans.map((span, index) => ({
    ...windowOf(question.ids.subarray(0, questionLength), context, span, specials),
    maxContext:
      bestSpans &&
      Uint8Array.from(bestSpans.subarray(span.begin, span.end), (best) => (best === index ? 1 : 0)),
    droppedQuestionPieces: question.ids.length - questionLength,
  }));
}

function windowOf(
  questionIds: Int32Array,
  context: Encoding,
  { begin, end }: PieceSpan,
  { clsId, sepId }: SpecialIds,
) {
  const contextBegin = questionIds.length + 2;
  const contextEnd = contextBegin + end - begin;
  const inputIds = new Int32Array(contextEnd + 1);
  inputIds[0] = clsId;
  inputIds.set(questionIds, 1);
  inputIds[contextBegin - 1] = sepId;
  inputIds.set(context.ids.subarray(begin, end), contextBegin);
  inputIds[contextEnd] = sepId;
  const tokenTypeIds = new Uint8Array(inputIds.length).fill(1, contextBegin);
  const starts = context.starts.subarray(begin, end);
  const ends = context.ends.subarray(begin, end);
  return { inputIds, tokenTypeIds, contextBegin, contextEnd, firstPiece: begin, starts, ends };
}

/** How many pieces of the question stay; see {@link WindowOptions.maxQueryLength}. */
function keptQuestionLength(
  questionLength: number,
  contextLength: number,
  layout: Required<WindowOptions>,
  where: string,
): number {
  const { maxSeqLength, docStride, maxQueryLength } = layout;
  const cutLength = Math.min(questionLength, maxQueryLength);
  if (layout.strideMode === 'step') {
    if (cutLength + 3 < maxSeqLength) return cutLength;
    badInput(where, `room for context beside ${cutLength} question pieces`, `max_seq_length ${maxSeqLength}`);
  }
  const leavesEnough = (length: number) => {
    const room = maxSeqLength - length - 3;
    return contextLength <= room || room > docStride;
  };
  if (leavesEnough(questionLength)) return questionLength;
  if (leavesEnough(cutLength)) return cutLength;
  const room = Math.max(0, maxSeqLength - cutLength - 3);
  const expected = `doc_stride below the ${room} context pieces that fit beside ${cutLength} question pieces`;
  return badInput(where, expected, `doc_stride ${docStride} at max_seq_length ${maxSeqLength}`);
}

/** Throws `bad-input` for options that no question could be read with. Worth calling before any work starts. */
export function checkWindowOptions(options: WindowOptions): void {
  const { maxSeqLength, docStride, strideMode, maxQueryLength } = { ...defaultWindowOptions, ...options };
  const least = { max_seq_length: 4, doc_stride: strideMode === 'step' ? 1 : 0, max_query_length: 1 };
  const given = { max_seq_length: maxSeqLength, doc_stride: docStride, max_query_length: maxQueryLength };
  for (const name of ['max_seq_length', 'doc_stride', 'max_query_length'] as const) {
    if (Number.isInteger(given[name]) && given[name] >= least[name]) continue;
    badInput(name, `a whole number from ${least[name]}`, String(given[name]));
  }
  if (strideMode === 'overlap' && docStride >= maxSeqLength - 3) {
    const expected = `an overlap below the ${maxSeqLength - 3} pieces that a window holds`;
    throw new BertramError('bad-input', `doc_stride: expected ${expected}, got ${docStride}`);
  }
}
