/** A question as callers ask it: checked field by field before any work starts, with the defaults filled in. */
import type { BertConfig } from '../bert/config.ts';
import { checkWindowOptions, defaultWindowOptions, type WindowOptions } from '../squad/index.ts';
import { badInput, shown } from '../support/errors.ts';

export interface QuestionRequest {
  readonly question: string;
  /** The text to answer from; this or `contexts`. */
  readonly context?: string;
  /** Several texts; the answers are the best over all of them. */
  readonly contexts?: readonly string[];
  /** How many answers at most. Default 1. */
  readonly topK?: number;
  /** Pieces in a window, special tokens included. Default 384, or the model's positions if those are fewer. */
  readonly maxSeqLength?: number;
  /** Pieces that neighbouring windows share. Default 128, or half the room beside the question where that is less. */
  readonly docStride?: number;
  /** In pieces. Default 30. */
  readonly maxAnswerLength?: number;
  /** Pieces of the question that are read; what is cut is told in an event. Default 64, at most half a window. */
  readonly maxQueryLength?: number;
  /** Whether "no answer" may be among the answers, as an empty text at 0. Default false. */
  readonly noAnswer?: boolean;
}

/** A request that is fit to run. */
export interface CheckedRequest {
  /** Opens error lines: `requests[3].`, or nothing for a single request. */
  readonly where: string;
  readonly question: string;
  readonly contexts: readonly string[];
  readonly topK: number;
  readonly maxSeqLength: number;
  readonly docStride: number | undefined;
  readonly maxAnswerLength: number;
  readonly maxQueryLength: number;
  readonly noAnswer: boolean;
}

/** @throws BertramError `bad-input` naming the field */
export function checkRequest(request: QuestionRequest, config: BertConfig, where: string): CheckedRequest {
  checkObject(request, where === '' ? 'request' : where.slice(0, -1));
  const { maxPositionEmbeddings } = config;
  const { topK = 1, maxAnswerLength = 30, noAnswer = false } = request;
  const { maxSeqLength = Math.min(defaultWindowOptions.maxSeqLength, maxPositionEmbeddings) } = request;
  const maxQueryLength =
    request.maxQueryLength ?? Math.min(defaultWindowOptions.maxQueryLength, Math.ceil(maxSeqLength / 2));
  for (const [name, value] of Object.entries({ topK, maxAnswerLength })) {
    if (!Number.isInteger(value) || value < 1) badInput(where + name, 'a whole number from 1', shown(value));
  }
  if (typeof noAnswer !== 'boolean') badInput(`${where}noAnswer`, 'true or false', shown(noAnswer));
  checkWindowOptions({ maxSeqLength, maxQueryLength, docStride: request.docStride ?? 0 });
  if (maxSeqLength > maxPositionEmbeddings) {
    badInput('max_seq_length', `at most the model's ${maxPositionEmbeddings} positions`, `${maxSeqLength}`);
  }
  return {
    where,
    question: checkText(request.question, `${where}question`),
    contexts: checkContexts(request, where),
    topK,
    maxSeqLength,
    docStride: request.docStride,
    // No window holds a longer one.
    maxAnswerLength: Math.min(maxAnswerLength, maxSeqLength),
    maxQueryLength,
    noAnswer,
  };
}

/** How a context is cut beside a question of so many pieces. */
export function windowLayout(
  { maxSeqLength, docStride, maxQueryLength }: CheckedRequest,
  questionLength: number,
): WindowOptions {
  const room = Math.max(0, maxSeqLength - questionLength - 3);
  const overlap = Math.min(defaultWindowOptions.docStride, Math.floor(room / 2));
  return { maxSeqLength, docStride: docStride ?? overlap, maxQueryLength };
}

/** For callers without types: refuses a text, or nothing, where fields are wanted. */
export function checkObject(value: unknown, where: string): void {
  if (typeof value !== 'object' || value === null) badInput(where, 'an object', shown(value));
}

function checkContexts({ context, contexts }: QuestionRequest, where: string): readonly string[] {
  if (context !== undefined && contexts !== undefined) badInput(where + 'context', 'it or contexts', 'both');
  if (contexts === undefined) return [checkText(context, `${where}context`)];
  if (!Array.isArray(contexts)) badInput(`${where}contexts`, 'an array of texts', shown(contexts));
  if (contexts.length === 0) badInput(`${where}contexts`, 'at least one text', 'none');
  return contexts.map((text, i) => checkText(text, `${where}contexts[${i}]`));
}

function checkText(text: unknown, where: string): string {
  if (typeof text !== 'string') badInput(where, 'a text', text === undefined ? 'none' : shown(text));
  if (text.trim() === '') badInput(where, 'a text that is not blank', shown(text));
  return text;
}
