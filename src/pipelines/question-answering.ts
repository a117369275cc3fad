/**
 * Extractive question answering: answers as exact slices of the contexts they were found in, with probabilities.
 *
 *     const qa = await QuestionAnswering.load();
 *     const [best] = await qa.answer({ question: 'Who wrote it?', context });
 *     context.slice(best.start, best.end) === best.answer; // always
 */
import { contextWindows, type ContextWindow, type WindowLogits } from '../squad/index.ts';
import { badInput, BertramError, shown } from '../support/errors.ts';
import type { Encoding } from '../tokenizers/index.ts';
import type { ModelLoadOptions } from './model-loading.ts';
import type { QuestionAnsweringModel } from './question-answering-model.ts';
import {
  checkObject,
  checkRequest,
  windowLayout,
  type CheckedRequest,
  type QuestionRequest,
} from './question-request.ts';
import { candidatesFor, distinctSpans, SpanSearch } from './span-search.ts';
import { readWindows, type ReadingOptions } from './window-reading.ts';

export interface Answer {
  /** `contexts[context].slice(start, end)`; empty for "no answer", which is at 0 to 0 of context 0. */
  readonly answer: string;
  /** The probability that this span is the answer, given everything that was read; see `span-search.ts`. */
  readonly score: number;
  /** UTF-16 offset of the answer's first unit in its context. */
  readonly start: number;
  /** One past its last unit. */
  readonly end: number;
  /** Index of the context; 0 if there is one. */
  readonly context: number;
}

export interface AnswerResult {
  /** Best first, without overlaps and repetitions. */
  readonly answers: readonly Answer[];
  /** How many windows the contexts took. */
  readonly windows: number;
  /** The probability that the contexts hold no answer, whether or not it was asked for. */
  readonly noAnswerScore: number;
}

/** The model's output for one window, without padding. All arrays have a value for each piece. */
export interface WindowOutput {
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Uint8Array;
  readonly startLogits: Float32Array;
  readonly endLogits: Float32Array;
  /** [start, end] of the context's pieces in their context, in UTF-16 units; [0, 0] for all others. */
  readonly offsets: readonly (readonly [number, number])[];
  /** Index of the context. */
  readonly context: number;
}

export type QuestionAnsweringEvent =
  /** A question has more pieces than `maxQueryLength`: its end was not read. */
  | {
      readonly type: 'question-truncated';
      readonly request: number;
      readonly pieces: number;
      readonly kept: number;
    }
  /** After each batch. */
  | { readonly type: 'progress'; readonly windowsDone: number; readonly windowsTotal: number };

export interface QuestionAnsweringOptions extends Omit<ReadingOptions, 'onProgress'> {
  readonly onEvent?: (event: QuestionAnsweringEvent) => void;
}

/** The windows of one context of a request. */
interface ContextReading {
  readonly encoding: Encoding;
  readonly windows: readonly ContextWindow[];
}

export class QuestionAnswering {
  readonly model: QuestionAnsweringModel;

  constructor(model: QuestionAnsweringModel) {
    this.model = model;
  }

  /**
   * Loads a model from a directory; the model that ships with the package unless told.
   *
   * @throws BertramError with a line that names the file, for anything missing or malformed
   */
  static async load(options: ModelLoadOptions = {}): Promise<QuestionAnswering> {
    checkObject(options, 'load');
    // Not at the top of the file: reading directories needs Node, the rest of this file runs in a browser.
    const { loadQuestionAnsweringModel } = await import('./model-loading.ts');
    return new QuestionAnswering(await loadQuestionAnsweringModel(options));
  }

  /**
   * The best answers to one question, best first; never none.
   *
   * @throws BertramError `bad-input` for an empty question or context, or an option out of range
   */
  async answer(request: QuestionRequest, options: QuestionAnsweringOptions = {}): Promise<readonly Answer[]> {
    const [result] = await this.answerMany([request], options);
    return result!.answers;
  }

  /** Answers many questions, with windows of different requests in one batch. Results are in the requests' order. */
  async answerMany(
    requests: readonly QuestionRequest[],
    options: QuestionAnsweringOptions = {},
  ): Promise<AnswerResult[]> {
    const checked = this.#check(requests);
    const readings = this.#prepare(checked, options);
    const windows = readings.flatMap((contexts) => contexts.flatMap((reading) => reading.windows));
    const logits = readWindows(this.model, windows, readingOptions(options));
    const results: AnswerResult[] = [];
    for (const [i, request] of checked.entries()) {
      const { maxAnswerLength, maxSeqLength, topK } = request;
      const search = new SpanSearch({ maxAnswerLength, candidates: candidatesFor(topK, maxAnswerLength) });
      let windowCount = 0;
      for (const { encoding, windows } of readings[i]!) {
        search.beginContext(encoding, maxSeqLength);
        for (const window of windows) search.addWindow(window, await nextOf(logits));
        windowCount += windows.length;
      }
      results.push(resultOf(search, request, windowCount));
    }
    return results;
  }

  /** The raw output for every window of one question, in order. */
  async logits(request: QuestionRequest, options: QuestionAnsweringOptions = {}): Promise<WindowOutput[]> {
    const [contexts] = this.#prepare(this.#check([request]), options);
    const windows = contexts!.flatMap((reading, context) =>
      reading.windows.map((window) => ({ window, context })),
    );
    const logits = readWindows(
      this.model,
      windows.map(({ window }) => window),
      readingOptions(options),
    );
    const outputs: WindowOutput[] = [];
    for (const { window, context } of windows) {
      const { inputIds, tokenTypeIds } = window;
      outputs.push({
        inputIds,
        tokenTypeIds,
        ...(await nextOf(logits)),
        offsets: offsetsOf(window),
        context,
      });
    }
    return outputs;
  }

  /** Frees the engine's memory. */
  async release(): Promise<void> {
    await this.model.release();
  }

  #check(requests: readonly QuestionRequest[]): CheckedRequest[] {
    const isList: boolean = Array.isArray(requests);
    if (!isList) badInput('requests', 'an array', shown(requests));
    const where = (i: number): string => (requests.length === 1 ? '' : `requests[${i}].`);
    return requests.map((request, i) => checkRequest(request, this.model.config, where(i)));
  }

  /** Tokenizes everything and cuts it into windows: for each request, for each of its contexts. */
  #prepare(requests: readonly CheckedRequest[], options: QuestionAnsweringOptions): ContextReading[][] {
    return requests.map((request, i) => {
      const question = this.#encode(request.question, `${request.where}question`);
      const kept = Math.min(question.ids.length, request.maxQueryLength);
      if (kept < question.ids.length) {
        options.onEvent?.({ type: 'question-truncated', request: i, pieces: question.ids.length, kept });
      }
      const layout = windowLayout(request, kept);
      return request.contexts.map((context, j) => {
        const encoding = this.#encode(context, `${request.where}contexts[${j}]`);
        const windows = contextWindows(firstPieces(question, kept), encoding, this.model.tokenizer, layout);
        return { encoding, windows };
      });
    });
  }

  /** Refuses texts that are nothing to the tokenizer, such as control characters alone. */
  #encode(text: string, where: string): Encoding {
    const encoding = this.model.tokenizer.encode(text);
    if (encoding.ids.length === 0) badInput(where, 'a text with something to read', shown(text));
    return encoding;
  }
}

function readingOptions({ onEvent, ...options }: QuestionAnsweringOptions): ReadingOptions {
  if (onEvent === undefined) return options;
  const onProgress = (windowsDone: number, windowsTotal: number): void =>
    onEvent({ type: 'progress', windowsDone, windowsTotal });
  return { ...options, onProgress };
}

function resultOf(search: SpanSearch, request: CheckedRequest, windows: number): AnswerResult {
  const { contexts, topK, noAnswer } = request;
  const { spans, nullScore } = search.finish();
  const answers = distinctSpans(spans, topK, contexts).map(({ context, start, end, score }): Answer => ({
    answer: contexts[context]!.slice(start, end),
    score: search.probability(score),
    start,
    end,
    context,
  }));
  const noAnswerScore = search.probability(nullScore);
  if (noAnswer) {
    // Before spans that are no more likely than it.
    const place = answers.filter(({ score }) => score > noAnswerScore).length;
    answers.splice(place, 0, { answer: '', score: noAnswerScore, start: 0, end: 0, context: 0 });
    answers.length = Math.min(answers.length, topK);
  }
  return { answers, windows, noAnswerScore };
}

function firstPieces({ ids, starts, ends }: Encoding, count: number): Encoding {
  return { ids: ids.subarray(0, count), starts: starts.subarray(0, count), ends: ends.subarray(0, count) };
}

function offsetsOf({ inputIds, contextBegin, contextEnd, starts, ends }: ContextWindow): [number, number][] {
  return Array.from(inputIds, (_, position) => {
    const isContext = position >= contextBegin && position < contextEnd;
    return isContext ? [starts[position - contextBegin]!, ends[position - contextBegin]!] : [0, 0];
  });
}

async function nextOf(logits: AsyncGenerator<WindowLogits, void, undefined>): Promise<WindowLogits> {
  const { value } = await logits.next();
  if (value === undefined)
    throw new BertramError('failed', 'logits: expected those of another window, got none');
  return value;
}
