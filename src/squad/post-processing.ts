/**
 * From logits to answers: the best spans over all windows of a question, as slices of its context.
 *
 * Source: `postprocess_qa_predictions` in transformers' `utils_qa.py`. As there, sums of logits are taken in float32,
 * and equal sums keep the order in which they were found: by window, by rank of the start, by rank of the end.
 */
import { badInput, BertramError } from '../support/errors.ts';
import { BestItems, largestIndices } from './n-best.ts';
import type { SquadExample } from './squad-dataset.ts';
import type { SquadWindow } from './squad-features.ts';
import type { ContextWindow } from './windows.ts';

/** A model's output for one window. */
export interface WindowLogits {
  /**
   * One for each of the window's pieces. Logits of padding may follow; no answer can be there, but they take part in
   * the choice of the n best positions, as they do in `run_qa.py`, which pads every window to `max_seq_length`.
   */
  readonly startLogits: Float32Array;
  readonly endLogits: Float32Array;
}

export interface PostProcessingOptions {
  /** How many starts and ends of each window are paired, and how many answers are kept. */
  readonly nBestSize?: number;
  /** In pieces. */
  readonly maxAnswerLength?: number;
  /** Whether "no answer" is a possible answer: SQuAD v2.0. */
  readonly withNoAnswer?: boolean;
  /** No answer is given when its score exceeds the best answer's by more than this. */
  readonly nullScoreDiffThreshold?: number;
}

export const defaultPostProcessingOptions = {
  nBestSize: 20,
  maxAnswerLength: 30,
  withNoAnswer: false,
  nullScoreDiffThreshold: 0,
} as const satisfies Required<PostProcessingOptions>;

/** One of the n best answers to a question. */
export interface AnswerCandidate {
  /** `context.slice(start, end)`. "No answer" is the empty text at 0. */
  readonly text: string;
  /** UTF-16 offset in the context; -1 for the word "empty" that the reference puts where there is no span at all. */
  readonly start: number;
  readonly end: number;
  readonly startLogit: number;
  readonly endLogit: number;
  /** Softmax over the n best. */
  readonly probability: number;
}

export interface AnswerPrediction {
  /** The chosen answer; empty for "no answer". */
  readonly text: string;
  /** Best first; "no answer" is always among them if it is possible, even below the n-th rank. */
  readonly nBest: readonly AnswerCandidate[];
  /** Score of "no answer" minus score of the best answer, if it is possible: the value in `null_odds.json`. */
  readonly nullScoreDifference: number | undefined;
}

/** A span of the context with its scores, before it has a text. */
interface ScoredSpan {
  readonly start: number;
  readonly end: number;
  readonly startLogit: number;
  readonly endLogit: number;
  readonly score: number;
}

/**
 * Finds the best answers of one question.
 *
 * @param context the text that the windows were made of
 * @param windows all windows of the question
 * @param logits the model's output for each of them
 * @throws BertramError `bad-input` for options out of range, `failed` for logits that are too few or not numbers
 */
export function predictAnswer(
  context: string,
  windows: readonly ContextWindow[],
  logits: readonly WindowLogits[],
  options: PostProcessingOptions = {},
): AnswerPrediction {
  const settings = { ...defaultPostProcessingOptions, ...options };
  checkPostProcessingOptions(settings);
  if (windows.length !== logits.length) {
    throw new BertramError('failed', `logits: expected ${windows.length} windows, got ${logits.length}`);
  }
  const best = new BestItems<ScoredSpan>(settings.nBestSize);
  windows.forEach((window, index) => addSpans(best, window, logits[index]!, settings, `window ${index}`));
  const spans: ScoredSpan[] = best.items;

  const noAnswer = settings.withNoAnswer ? noAnswerSpan(logits) : undefined;
  if (noAnswer !== undefined) {
    best.add(noAnswer);
    if (!spans.includes(noAnswer)) spans.push(noAnswer);
  }
  const hasAnswer = spans.some((span) => span.end > span.start);
  const ranked = hasAnswer ? spans : [placeholder, ...spans];
  const nBest = withProbabilities(context, ranked);
  if (noAnswer === undefined) return { text: nBest[0]!.text, nBest, nullScoreDifference: undefined };

  const bestAnswer = nBest.find((candidate) => candidate.text !== '')!;
  const nullScoreDifference = Math.fround(
    Math.fround(noAnswer.score - bestAnswer.startLogit) - bestAnswer.endLogit,
  );
  const text = nullScoreDifference > settings.nullScoreDiffThreshold ? '' : bestAnswer.text;
  return { text, nBest, nullScoreDifference };
}

/** The prediction for every example of a data set, given all its windows and their logits, in the same order. */
export function predictAnswers(
  examples: readonly SquadExample[],
  windows: readonly SquadWindow[],
  logits: readonly WindowLogits[],
  options: PostProcessingOptions = {},
): Map<string, AnswerPrediction> {
  if (windows.length !== logits.length) {
    throw new BertramError('failed', `logits: expected ${windows.length} windows, got ${logits.length}`);
  }
  const indices = examples.map((): number[] => []);
  windows.forEach((window, index) => indices[window.exampleIndex]!.push(index));
  return new Map(
    examples.map((example, exampleIndex) => {
      const own = indices[exampleIndex]!;
      const ownWindows = own.map((index) => windows[index]!);
      const ownLogits = own.map((index) => logits[index]!);
      return [example.id, predictAnswer(example.context, ownWindows, ownLogits, options)];
    }),
  );
}

/** Adds the spans between the window's best starts and best ends that are possible answers. */
function addSpans(
  best: BestItems<ScoredSpan>,
  window: ContextWindow,
  { startLogits, endLogits }: WindowLogits,
  { nBestSize, maxAnswerLength }: Required<PostProcessingOptions>,
  where: string,
): void {
  const length = window.inputIds.length;
  if (startLogits.length < length || endLogits.length < length) {
    const got = `${startLogits.length} and ${endLogits.length}`;
    throw new BertramError(
      'failed',
      `${where}: expected at least ${length} start and end logits, got ${got}`,
    );
  }
  const { contextBegin, contextEnd, maxContext } = window;
  const isInContext = (position: number) => position >= contextBegin && position < contextEnd;
  const starts = largestIndices(startLogits, nBestSize, `${where}, start`).filter(isInContext);
  const ends = largestIndices(endLogits, nBestSize, `${where}, end`).filter(isInContext);
  for (const start of starts) {
    if (maxContext !== undefined && maxContext[start - contextBegin] === 0) continue;
    for (const end of ends) {
      const startLogit = startLogits[start]!;
      const endLogit = endLogits[end]!;
      const score = Math.fround(startLogit + endLogit);
      if (!best.admits(score)) break; // the ends that follow score no better
      if (end < start || end - start + 1 > maxAnswerLength) continue;
      const span = { start: window.starts[start - contextBegin]!, end: window.ends[end - contextBegin]! };
      best.add({ ...span, startLogit, endLogit, score });
    }
  }
}

/** "No answer" as the least of the windows' scores for [CLS]: every window must want it. */
function noAnswerSpan(logits: readonly WindowLogits[]): ScoredSpan {
  let least: ScoredSpan | undefined;
  for (const { startLogits, endLogits } of logits) {
    const startLogit = startLogits[0]!;
    const endLogit = endLogits[0]!;
    const score = Math.fround(startLogit + endLogit);
    if (least === undefined || score < least.score) least = { start: 0, end: 0, startLogit, endLogit, score };
  }
  return least ?? { start: 0, end: 0, startLogit: 0, endLogit: 0, score: 0 };
}

/** Stands for an answer where no window has a single possible span, so that there is something to predict. */
const placeholder: ScoredSpan = { start: -1, end: -1, startLogit: 0, endLogit: 0, score: 0 };

function withProbabilities(context: string, spans: readonly ScoredSpan[]): AnswerCandidate[] {
  const highest = Math.max(...spans.map((span) => span.score));
  const exponentials = spans.map((span) => Math.exp(span.score - highest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return spans.map(({ start, end, startLogit, endLogit }, rank) => ({
    text: start < 0 ? 'empty' : context.slice(start, end),
    start,
    end,
    startLogit,
    endLogit,
    probability: Math.fround(exponentials[rank]! / sum),
  }));
}

/** Throws `bad-input` for options out of range. Worth calling before any work starts. */
export function checkPostProcessingOptions(options: PostProcessingOptions): void {
  const { nBestSize, maxAnswerLength, nullScoreDiffThreshold } = {
    ...defaultPostProcessingOptions,
    ...options,
  };
  for (const [name, value] of Object.entries({
    n_best_size: nBestSize,
    max_answer_length: maxAnswerLength,
  })) {
    if (!Number.isInteger(value) || value < 1) badInput(name, 'a whole number from 1', String(value));
  }
  if (Number.isNaN(nullScoreDiffThreshold)) badInput('null_score_diff_threshold', 'a number', 'NaN');
}
