import { assert, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxContextSpans, overlapSpans, stepSpans, type PieceSpan } from '../../src/squad/window-spans.ts';

const bounds = (spans: readonly PieceSpan[]) => spans.map(({ begin, end }) => [begin, end]);

describe('overlapSpans', () => {
  it.each([
    [0, 6, 2, [[0, 0]]],
    [6, 6, 2, [[0, 6]]],
    [
      7,
      6,
      2,
      [
        [0, 6],
        [4, 7],
      ],
    ],
    [
      10,
      6,
      2,
      [
        [0, 6],
        [4, 10],
      ],
    ],
    [
      11,
      6,
      2,
      [
        [0, 6],
        [4, 10],
        [8, 11],
      ],
    ],
    [
      12,
      6,
      0,
      [
        [0, 6],
        [6, 12],
      ],
    ],
    [
      8,
      6,
      5,
      [
        [0, 6],
        [1, 7],
        [2, 8],
      ],
    ],
  ])('cuts %i pieces into %i with %i shared', (length, room, overlap, expected) => {
    expect(bounds(overlapSpans(length, room, overlap))).toEqual(expected);
  });

  it('gives the 7 windows of 1,821 pieces at 384/128 that tokenizers 0.22.2 gives', () => {
    expect(overlapSpans(1821, 384 - 8 - 3, 128)).toHaveLength(7);
  });

  it('covers everything, and nothing twice beyond the overlap', () => {
    const sizes = tuple(
      integer({ min: 1, max: 400 }),
      integer({ min: 1, max: 50 }),
      integer({ min: 0, max: 49 }),
    );
    assert(
      property(sizes, ([length, room, wanted]) => {
        const overlap = Math.min(wanted, room - 1);
        const spans = overlapSpans(length, room, overlap);
        expect(spans[0]!.begin).toBe(0);
        expect(spans.at(-1)!.end).toBe(length);
        spans.slice(1).forEach(({ begin, end }, index) => {
          expect(spans[index]!.end - begin).toBe(overlap);
          expect(end).toBeGreaterThan(spans[index]!.end);
        });
        spans.slice(0, -1).forEach(({ begin, end }) => expect(end - begin).toBe(room));
      }),
    );
  });
});

describe('stepSpans', () => {
  it.each([
    [0, 6, 2, []],
    [6, 6, 2, [[0, 6]]],
    [
      10,
      6,
      2,
      [
        [0, 6],
        [2, 8],
        [4, 10],
      ],
    ],
    [
      10,
      6,
      9,
      [
        [0, 6],
        [6, 10],
      ],
    ],
  ])('cuts %i pieces into %i, %i apart', (length, room, step, expected) => {
    expect(bounds(stepSpans(length, room, step))).toEqual(expected);
  });
});

describe('maxContextSpans', () => {
  it('finds the span of the worked example', () => {
    const words = 'the man went to the store and bought a gallon of milk'.split(' ');
    const spans = [0, 3, 6, 9].map((begin) => ({ begin, end: Math.min(begin + 5, words.length) }));
    expect(maxContextSpans(words.length, spans)[words.indexOf('bought')]).toBe(2);
  });

  it('is the argmax over all spans, the first where several are equal', () => {
    const sizes = tuple(
      integer({ min: 1, max: 120 }),
      integer({ min: 1, max: 30 }),
      integer({ min: 1, max: 30 }),
    );
    assert(
      property(sizes, ([length, room, step]) => {
        const spans = stepSpans(length, room, step);
        const found = maxContextSpans(length, spans);
        for (let piece = 0; piece < length; piece++) {
          const scores = spans.map(({ begin, end }) =>
            piece < begin || piece >= end
              ? -1
              : Math.min(piece - begin, end - 1 - piece) + 0.01 * (end - begin),
          );
          expect(found[piece]).toBe(scores.indexOf(Math.max(...scores)));
        }
      }),
    );
  });
});
