/** Answers against a plain reading of the logits, and their promises over arbitrary text. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  QuestionAnswering,
  type QuestionAnsweringEvent,
  type QuestionRequest,
} from '../../src/pipelines/index.ts';
import { writeTinyModel } from './tiny-model.ts';

let qa: QuestionAnswering;
beforeAll(async () => {
  qa = await QuestionAnswering.load({ model: await writeTinyModel(), threads: 1 });
});
afterAll(() => qa.release());

const question = 'who came?';
/** 252 pieces. Windows of 64 hold 53 beside the question; with an overlap of n they are 1 + ceil(199 / (53 - n)). */
const context = 'abc came, then def came; ghi stayed at home. '.repeat(7).trim();

interface Span {
  readonly context: number;
  readonly start: number;
  readonly end: number;
  readonly score: number;
}

/** All spans with their probabilities, from the raw output: the definition in `span-search.ts`, word by word. */
async function allSpans(request: QuestionRequest): Promise<{ spans: Span[]; noAnswer: number }> {
  const { maxAnswerLength = 30 } = request;
  const best = new Map<string, Span>();
  let none = Infinity;
  for (const { context, startLogits, endLogits, offsets } of await qa.logits(request)) {
    none = Math.min(none, startLogits[0]! + endLogits[0]!);
    offsets.forEach(([start, startEnd], i) => {
      if (start === startEnd) return; // not of the context
      for (let j = i; j < Math.min(offsets.length, i + maxAnswerLength); j++) {
        const [endStart, end] = offsets[j]!;
        if (end === endStart) break;
        const score = startLogits[i]! + endLogits[j]!;
        const key = `${context} ${start} ${end}`;
        if (score > (best.get(key)?.score ?? -Infinity)) best.set(key, { context, start, end, score });
      }
    });
  }
  const scores = [...best.values()].map(({ score }) => score);
  const total = [...scores, none].reduce((sum, score) => sum + Math.exp(score), 0);
  const spans = [...best.values()].map((span) => ({ ...span, score: Math.exp(span.score) / total }));
  return { spans: spans.sort((a, b) => b.score - a.score), noAnswer: Math.exp(none) / total };
}

describe('answer', () => {
  it.each<{ name: string; request: QuestionRequest; windows: number }>([
    { name: 'one window', request: { question, context: 'abc came, def stayed.' }, windows: 1 },
    { name: 'many windows', request: { question, context, docStride: 10 }, windows: 6 },
    {
      name: 'windows that overlap by all but a piece',
      request: { question, context, docStride: 52 },
      windows: 200,
    },
    {
      name: 'several contexts',
      request: { question, contexts: ['abc stayed', context, 'def came'], maxAnswerLength: 4 },
      windows: 1 + 9 + 1,
    },
  ])('is the most probable span: $name', async ({ request, windows }) => {
    const { spans, noAnswer } = await allSpans(request);
    const [result] = await qa.answerMany([request]);
    const [best] = result!.answers;
    expect(best).toMatchObject({ context: spans[0]!.context, start: spans[0]!.start, end: spans[0]!.end });
    expect(best!.score).toBeCloseTo(spans[0]!.score, 6);
    expect(result!.noAnswerScore).toBeCloseTo(noAnswer, 6);
    expect(result!.windows).toBe(windows);
  });

  it('gives the best k that do not overlap or repeat each other', async () => {
    const request = { question, contexts: [context, 'xyz came'], topK: 6, docStride: 20 };
    const { spans } = await allSpans(request);
    const expected: Span[] = [];
    const texts = request.contexts;
    const textOf = ({ context, start, end }: Span): string => texts[context]!.slice(start, end);
    for (const span of spans) {
      const isFree = expected.every(
        (other) => span.context !== other.context || span.end <= other.start || other.end <= span.start,
      );
      if (isFree && expected.every((other) => textOf(other) !== textOf(span))) expected.push(span);
    }
    const answers = await qa.answer(request);
    expect(answers.map(({ context, start, end }) => [context, start, end])).toEqual(
      expected.slice(0, 6).map(({ context, start, end }) => [context, start, end]),
    );
    expect(new Set(answers.map(({ answer }) => answer)).size).toBe(6);
  });

  it('puts no answer where its probability belongs, and only if asked', async () => {
    const request = { question, context, topK: 100_000 };
    const without = await qa.answer(request);
    const [{ answers: withIt, noAnswerScore } = { answers: [], noAnswerScore: 0 }] = await qa.answerMany([
      { ...request, noAnswer: true },
    ]);
    expect(without.every(({ answer }) => answer !== '')).toBe(true);
    const none = { answer: '', score: noAnswerScore, start: 0, end: 0, context: 0 };
    expect(withIt.filter(({ answer }) => answer === '')).toEqual([none]);
    expect(withIt.filter(({ answer }) => answer !== '')).toEqual(without);
    const scores = withIt.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
  });

  it('gives the more probable of an answer and none, if asked for one', async () => {
    const [best] = await qa.answer({ question, context, noAnswer: true });
    const [result] = await qa.answerMany([{ question, context }]);
    expect(best!.score).toBe(Math.max(result!.noAnswerScore, result!.answers[0]!.score));
  });

  it('is the same alone and in a batch with other requests', async () => {
    const requests: QuestionRequest[] = [
      { question, context },
      { question: 'where?', contexts: ['at home', 'abc at sea, def at home'], topK: 3 },
      { question: 'who stayed?', context: 'ghi', noAnswer: true },
    ];
    const together = await qa.answerMany(requests);
    for (const [i, request] of requests.entries()) {
      const alone = await qa.answer(request);
      expect(together[i]!.answers.map(({ start, end }) => [start, end])).toEqual(
        alone.map(({ start, end }) => [start, end]),
      );
      alone.forEach(({ score }, rank) => expect(together[i]!.answers[rank]!.score).toBeCloseTo(score, 5));
    }
  });

  it('is a slice of its context, whole characters, whatever the text', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
      // Lone surrogates, combining marks on nothing, right-to-left marks, joined emoji, line separators.
      fc
        .array(
          fc.constantFrom(
            'a',
            ' ',
            'é',
            'e\u0301',
            '\u0301',
            '\ud83d',
            '\ude00',
            '😀',
            '👩‍👩‍👧',
            'עב',
            '\u202e',
            'ية',
            'दी',
            '\u2028',
            '日本',
            '\0',
          ),
          { minLength: 1, maxLength: 60 },
        )
        .map((parts) => parts.join('')),
    );
    await fc.assert(
      fc.asyncProperty(text, text, async (prefix, rest) => {
        const contexts = [`x ${prefix} ${rest}`, `${rest} y`];
        const answers = await qa.answer({ question, contexts, topK: 4, noAnswer: true });
        expect(answers.length).toBeGreaterThan(0);
        for (const { answer, start, end, context, score } of answers) {
          expect(contexts[context]!.slice(start, end)).toBe(answer);
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual(1);
          if (answer === '') continue;
          for (const place of [start, end]) {
            const pair = contexts[context]!.slice(place - 1, place + 1);
            expect(/^[\ud800-\udbff][\udc00-\udfff]$/.test(pair)).toBe(false);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('tells how much of a long question it has read', async () => {
    const events: QuestionAnsweringEvent[] = [];
    await qa.answer({ question: 'a '.repeat(40), context: 'b' }, { onEvent: (event) => events.push(event) });
    expect(events).toEqual([
      { type: 'question-truncated', request: 0, pieces: 40, kept: 32 },
      { type: 'progress', windowsDone: 1, windowsTotal: 1 },
    ]);
  });

  it('reports its progress batch by batch', async () => {
    const events: QuestionAnsweringEvent[] = [];
    const options = { batchSize: 2, onEvent: (event: QuestionAnsweringEvent) => events.push(event) };
    await qa.answer({ question, context, docStride: 10 }, options);
    expect(events.map((event) => (event.type === 'progress' ? event.windowsDone : 0))).toEqual([2, 4, 6]);
  });
});

describe('refusals', () => {
  it.each<{ request: object; message: string }>([
    { request: { question: '', context }, message: 'question: expected a text that is not blank, got ""' },
    {
      request: { question: ' \n', context },
      message: String.raw`question: expected a text that is not blank, got " \n"`,
    },
    { request: { context }, message: 'question: expected a text, got none' },
    { request: { question: 7, context }, message: 'question: expected a text, got 7' },
    { request: { question }, message: 'context: expected a text, got none' },
    { request: { question, context: '' }, message: 'context: expected a text that is not blank, got ""' },
    { request: { question, contexts: [] }, message: 'contexts: expected at least one text, got none' },
    {
      request: { question, contexts: context.slice(0, 3) },
      message: 'contexts: expected an array of texts, got "abc"',
    },
    {
      request: { question, contexts: ['a', ' '] },
      message: 'contexts[1]: expected a text that is not blank, got " "',
    },
    {
      request: { question, context, contexts: [context] },
      message: 'context: expected it or contexts, got both',
    },
    {
      request: { question, context: '\u0001' },
      message: String.raw`contexts[0]: expected a text with something to read, got "\u0001"`,
    },
    { request: { question, context, topK: 0 }, message: 'topK: expected a whole number from 1, got 0' },
    { request: { question, context, topK: '3' }, message: 'topK: expected a whole number from 1, got "3"' },
    {
      request: { question, context, maxAnswerLength: 1.5 },
      message: 'maxAnswerLength: expected a whole number from 1, got 1.5',
    },
    {
      request: { question, context, noAnswer: 'yes' },
      message: 'noAnswer: expected true or false, got "yes"',
    },
    {
      request: { question, context, maxSeqLength: 65 },
      message: "max_seq_length: expected at most the model's 64 positions, got 65",
    },
    {
      request: { question, context, maxSeqLength: 3 },
      message: 'max_seq_length: expected a whole number from 4, got 3',
    },
    {
      request: { question, context, docStride: -1 },
      message: 'doc_stride: expected a whole number from 0, got -1',
    },
    {
      request: { question, context, docStride: 61 },
      message: 'doc_stride: expected an overlap below the 61 pieces that a window holds, got 61',
    },
  ])('$message', async ({ request, message }) => {
    await expect(qa.answer(request as QuestionRequest)).rejects.toMatchObject({ code: 'bad-input', message });
  });

  it('explains itself to callers without types', async () => {
    const load = (options: unknown) => QuestionAnswering.load(options as object);
    await expect(load('some/directory')).rejects.toThrow('load: expected an object, got "some/directory"');
    const wrong = (value: unknown) => value as QuestionRequest;
    await expect(qa.answer(wrong('Who?'))).rejects.toThrow('request: expected an object, got "Who?"');
    await expect(qa.answer(wrong(undefined))).rejects.toThrow('request: expected an object, got undefined');
    await expect(qa.answerMany([{ question, context }, wrong(null)])).rejects.toThrow(
      'requests[1]: expected an object, got null',
    );
    await expect(qa.answerMany(wrong({}) as unknown as QuestionRequest[])).rejects.toThrow(
      'requests: expected an array, got {}',
    );
    expect(await qa.answerMany([])).toEqual([]);
  });

  it('names the request among many', async () => {
    const requests = [
      { question, context },
      { question: '', context },
    ];
    await expect(qa.answerMany(requests)).rejects.toThrow(
      'requests[1].question: expected a text that is not blank, got ""',
    );
  });

  it('names the model whose logits are not numbers', async () => {
    // Finite weights, but the sums overflow.
    const model = await writeTinyModel({
      alter: (name, values) => {
        if (name === 'qa_outputs.weight') values.fill(3e38);
      },
    });
    const broken = await QuestionAnswering.load({ model, threads: 1 });
    await expect(broken.answer({ question, context })).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringMatching(
        /^.*bertram-model-.*: expected finite start logits, got (NaN|-?Infinity) at piece \d+$/,
      ) as string,
    });
  });
});
