import { assert, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkWindowOptions,
  contextWindows,
  squadFeatures,
  type WindowOptions,
} from '../../src/squad/index.ts';
import type { Encoding } from '../../src/tokenizers/index.ts';
import { ownSet, ownTokenizer } from './shared-sets.ts';

const specials = { clsId: 101, sepId: 102 };

/** Pieces of two units with a space between: ids from `first`. */
function pieces(length: number, first: number): Encoding {
  const of = (value: (index: number) => number) => Int32Array.from({ length }, (_, index) => value(index));
  return { ids: of((i) => first + i), starts: of((i) => 3 * i), ends: of((i) => 3 * i + 2) };
}

function layout(question: number, context: number, options: WindowOptions) {
  return contextWindows(pieces(question, 1000), pieces(context, 5000), specials, options);
}

describe('contextWindows', () => {
  it('lays out a window as [CLS] question [SEP] context [SEP]', () => {
    expect(layout(2, 5, { maxSeqLength: 9, docStride: 1 })).toEqual([
      {
        inputIds: Int32Array.of(101, 1000, 1001, 102, 5000, 5001, 5002, 5003, 102),
        tokenTypeIds: Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1),
        contextBegin: 4,
        contextEnd: 8,
        firstPiece: 0,
        starts: Int32Array.of(0, 3, 6, 9),
        ends: Int32Array.of(2, 5, 8, 11),
        maxContext: undefined,
        droppedQuestionPieces: 0,
      },
      {
        inputIds: Int32Array.of(101, 1000, 1001, 102, 5003, 5004, 102),
        tokenTypeIds: Uint8Array.of(0, 0, 0, 0, 1, 1, 1),
        contextBegin: 4,
        contextEnd: 6,
        firstPiece: 3,
        starts: Int32Array.of(9, 12),
        ends: Int32Array.of(11, 14),
        maxContext: undefined,
        droppedQuestionPieces: 0,
      },
    ]);
  });

  it('cuts where the documentation says, in both stride modes', () => {
    const bounds = (strideMode: 'overlap' | 'step') =>
      layout(12, 1000, { strideMode }).map((window) => [
        window.firstPiece,
        window.firstPiece + window.starts.length,
      ]);
    expect(bounds('overlap')).toEqual([
      [0, 369],
      [241, 610],
      [482, 851],
      [723, 1000],
    ]);
    expect(bounds('step')).toEqual([
      [0, 369],
      [128, 497],
      [256, 625],
      [384, 753],
      [512, 881],
      [640, 1000],
    ]);
  });

  it('shows every piece of a context, whatever its length', () => {
    const sizes = tuple(
      integer({ min: 1, max: 20 }),
      integer({ min: 0, max: 300 }),
      integer({ min: 0, max: 20 }),
    );
    assert(
      property(sizes, ([question, context, docStride]) => {
        for (const strideMode of ['overlap', 'step'] as const) {
          const options = { maxSeqLength: 50, docStride: Math.max(1, docStride), strideMode };
          const seen = new Set(layout(question, context, options).flatMap((window) => [...window.starts]));
          expect(seen.size).toBe(context);
        }
      }),
    );
  });

  it('marks each piece as of maximum context in exactly one window', () => {
    const windows = layout(4, 100, { maxSeqLength: 30, docStride: 7, strideMode: 'step' });
    const marked = windows.flatMap(({ starts, maxContext }) =>
      [...starts].filter((_, index) => maxContext![index]),
    );
    expect(marked.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => 3 * index));
  });
});

describe('an over-long question', () => {
  it('stays whole in overlap mode as long as that leaves more room than the overlap', () => {
    const options = { maxSeqLength: 40, docStride: 10, maxQueryLength: 5 };
    expect(layout(26, 100, options)[0]).toMatchObject({
      contextBegin: 28,
      contextEnd: 39,
      droppedQuestionPieces: 0,
    });
    expect(layout(27, 100, options)[0]).toMatchObject({
      contextBegin: 7,
      contextEnd: 39,
      droppedQuestionPieces: 22,
    });
  });

  it('stays whole in overlap mode where the context fits beside it', () => {
    const options = { maxSeqLength: 40, docStride: 10, maxQueryLength: 5 };
    expect(layout(27, 10, options)).toMatchObject([
      { contextBegin: 29, contextEnd: 39, droppedQuestionPieces: 0 },
    ]);
  });

  it('is always cut in step mode', () => {
    const options = { maxSeqLength: 40, docStride: 10, maxQueryLength: 5, strideMode: 'step' } as const;
    expect(layout(6, 10, options)).toMatchObject([{ contextBegin: 7, droppedQuestionPieces: 1 }]);
  });

  it('is told of', () => {
    const { examples } = ownSet();
    const options = { maxSeqLength: 97, docStride: 31, maxQueryLength: 32 };
    const { truncatedQuestions } = squadFeatures(examples, ownTokenizer('cased'), options);
    expect(truncatedQuestions).toHaveLength(1);
    const { exampleIndex, droppedPieces } = truncatedQuestions[0]!;
    expect(examples[exampleIndex]!.question).toContain('if it is not too much trouble');
    expect(droppedPieces).toBe(
      ownTokenizer('cased').encode(examples[exampleIndex]!.question).ids.length - 32,
    );
  });
});

describe('impossible lengths', () => {
  it.each<[string, WindowOptions]>([
    ['doc_stride: expected an overlap below the 381 pieces that a window holds, got 381', { docStride: 381 }],
    ['max_seq_length: expected a whole number from 4, got 3', { maxSeqLength: 3 }],
    ['max_seq_length: expected a whole number from 4, got 38.5', { maxSeqLength: 38.5 }],
    ['doc_stride: expected a whole number from 0, got -1', { docStride: -1 }],
    ['doc_stride: expected a whole number from 1, got 0', { docStride: 0, strideMode: 'step' }],
    ['max_query_length: expected a whole number from 1, got NaN', { maxQueryLength: NaN }],
  ])('%s', (message, options) => {
    expect(() => checkWindowOptions(options)).toThrow(message);
    expect(() => squadFeatures([], ownTokenizer('cased'), options)).toThrow(message);
  });

  it('are refused with the question named, once its context must be split', () => {
    const options = { maxSeqLength: 40, docStride: 30, maxQueryLength: 64 };
    expect(() => contextWindows(pieces(8, 0), pieces(30, 50), specials, options, 'question q1')).toThrow(
      'question q1: expected doc_stride below the 29 context pieces that fit beside 8 question pieces, ' +
        'got doc_stride 30 at max_seq_length 40',
    );
    expect(contextWindows(pieces(8, 0), pieces(29, 50), specials, options)).toHaveLength(1);
  });

  it('are refused where the question leaves no room at all', () => {
    const options = { maxSeqLength: 10, docStride: 3, maxQueryLength: 64 };
    expect(() => layout(40, 5, options)).toThrow('expected doc_stride below the 0 context pieces that fit');
    expect(() => layout(40, 5, { ...options, strideMode: 'step' })).toThrow(
      'question: expected room for context beside 40 question pieces, got max_seq_length 10',
    );
  });
});

describe('the labels of the own set', () => {
  const { examples } = ownSet();
  const tokenizer = ownTokenizer('cased');

  it.each(['overlap', 'step'] as const)('name the answer in %s mode', (strideMode) => {
    const { windows } = squadFeatures(examples, tokenizer, { strideMode });
    for (const window of windows) {
      const { context, answers, id } = examples[window.exampleIndex]!;
      const { startPosition, endPosition, contextBegin, starts, ends } = window;
      if (answers.length === 0) {
        expect([startPosition, endPosition]).toEqual([0, 0]);
        continue;
      }
      const text = context.slice(starts[startPosition - contextBegin], ends[endPosition - contextBegin]);
      // A label is made of whole pieces: "Japanese" is one.
      expect(text, id).toBe(answers[0]!.text === 'Japan' ? 'Japanese' : answers[0]!.text);
    }
  });

  it('are [CLS] in the windows that do not hold the whole answer', () => {
    const options = { maxSeqLength: 64, docStride: 20, maxQueryLength: 30 };
    const { windows } = squadFeatures(examples, tokenizer, options);
    const answerOf = ({ exampleIndex }: { exampleIndex: number }) => examples[exampleIndex]!.answers[0];
    for (const window of windows) {
      const answer = answerOf(window);
      if (answer === undefined) continue;
      const holds =
        window.starts[0]! <= answer.start && window.ends.at(-1)! >= answer.start + answer.text.length;
      expect(window.startPosition > 0).toBe(holds);
      expect(window.endPosition > 0).toBe(holds);
    }
    expect(windows.filter((window) => answerOf(window) && window.startPosition === 0).length).toBeGreaterThan(
      20,
    );
  });

  it('are left out on request, and then step mode skips no example', () => {
    const { windows, skippedExamples } = squadFeatures(examples, tokenizer, {
      strideMode: 'step',
      labels: false,
    });
    expect(windows.every((window) => window.startPosition === 0 && window.endPosition === 0)).toBe(true);
    expect(skippedExamples).toEqual([]);
    expect(new Set(windows.map((window) => window.exampleIndex)).size).toBe(examples.length);
  });
});
