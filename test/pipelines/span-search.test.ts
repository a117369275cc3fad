/** The streaming search over windows against every span written out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedHeap } from '../../src/pipelines/bounded-heap.ts';
import { candidatesFor, distinctSpans, SpanSearch } from '../../src/pipelines/span-search.ts';
import { contextWindows, type ContextWindow, type WindowLogits } from '../../src/squad/index.ts';
import { Random } from '../../src/support/random.ts';
import type { Encoding } from '../../src/tokenizers/index.ts';

const specials = { clsId: 101, sepId: 102 };

/** Pieces of one character each. */
function encodingOf(length: number): Encoding {
  const ids = new Int32Array(length);
  return { ids, starts: Int32Array.from(ids, (_, i) => i), ends: Int32Array.from(ids, (_, i) => i + 1) };
}

function randomLogits({ inputIds }: ContextWindow, random: Random): WindowLogits {
  const draw = (): Float32Array => Float32Array.from(inputIds, () => 4 * random.nextNormal());
  return { startLogits: draw(), endLogits: draw() };
}

interface Setup {
  readonly lengths: readonly number[];
  readonly maxSeqLength: number;
  readonly docStride: number;
  readonly maxAnswerLength: number;
  readonly seed: number;
}

const setups: fc.Arbitrary<Setup> = fc
  .record({
    lengths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
    maxSeqLength: fc.integer({ min: 8, max: 20 }),
    overlap: fc.double({ min: 0, max: 0.99, noNaN: true }),
    maxAnswerLength: fc.integer({ min: 1, max: 12 }),
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
  })
  // Beside a question of two pieces.
  .map(({ overlap, ...rest }) => ({ ...rest, docStride: Math.floor(overlap * (rest.maxSeqLength - 5)) }));

/** Runs the search, and beside it keeps the best score of each span in a table. */
function searchAndTable({ lengths, maxSeqLength, docStride, maxAnswerLength, seed }: Setup) {
  const random = new Random(seed);
  const search = new SpanSearch({ maxAnswerLength, candidates: 10_000 });
  const table = new Map<string, number>();
  let nullScore = Infinity;
  lengths.forEach((length, context) => {
    const encoding = encodingOf(length);
    const windows = contextWindows(encodingOf(2), encoding, specials, { maxSeqLength, docStride });
    search.beginContext(encoding, maxSeqLength);
    for (const window of windows) {
      const logits = randomLogits(window, random);
      search.addWindow(window, logits);
      const { startLogits, endLogits } = logits;
      nullScore = Math.min(nullScore, startLogits[0]! + endLogits[0]!);
      for (let i = window.contextBegin; i < window.contextEnd; i++) {
        for (let j = i; j < window.contextEnd && j < i + maxAnswerLength; j++) {
          const start = window.starts[i - window.contextBegin]!;
          const end = window.ends[j - window.contextBegin]!;
          const key = `${context}:${start}-${end}`;
          table.set(key, Math.max(table.get(key) ?? -Infinity, startLogits[i]! + endLogits[j]!));
        }
      }
    }
  });
  return { search, table, nullScore };
}

describe('SpanSearch', () => {
  it('finds every span of all windows and contexts once, with its best score', () => {
    fc.assert(
      fc.property(setups, (setup) => {
        const { search, table, nullScore } = searchAndTable(setup);
        const found = search.finish();
        const spans = found.spans.map(({ context, start, end, score }) => [
          `${context}:${start}-${end}`,
          score,
        ]);
        expect(new Map(spans as [string, number][])).toEqual(table);
        expect(spans).toHaveLength(table.size);
        expect(found.nullScore).toBe(nullScore);
        const scores = found.spans.map(({ score }) => score);
        expect(scores).toEqual([...scores].sort((a, b) => b - a));
      }),
      { numRuns: 200 },
    );
  });

  it('gives the probabilities of one softmax over all spans and no answer', () => {
    fc.assert(
      fc.property(setups, (setup) => {
        const { search, table, nullScore } = searchAndTable(setup);
        search.finish();
        const total = [...table.values(), nullScore].reduce((sum, score) => sum + Math.exp(score), 0);
        for (const score of [...table.values(), nullScore]) {
          expect(search.probability(score)).toBeCloseTo(Math.exp(score) / total, 10);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('does not overflow where logits are large', () => {
    const encoding = encodingOf(3);
    const [window] = contextWindows(encodingOf(1), encoding, specials);
    const search = new SpanSearch({ maxAnswerLength: 1, candidates: 10 });
    search.beginContext(encoding, 384);
    const logits = new Float32Array(window!.inputIds.length).fill(-1e30);
    logits[window!.contextBegin] = 1e30;
    search.addWindow(window!, { startLogits: logits, endLogits: logits });
    const { spans, nullScore } = search.finish();
    expect(search.probability(spans[0]!.score)).toBe(1);
    expect(search.probability(nullScore)).toBe(0);
  });

  it('keeps its best few among millions', () => {
    const setup = { lengths: [5000], maxSeqLength: 384, docStride: 128, maxAnswerLength: 30, seed: 3 };
    const all = searchAndTable(setup);
    const best = [...all.table.values()].sort((a, b) => b - a).slice(0, 7);
    expect(
      all.search
        .finish()
        .spans.slice(0, 7)
        .map(({ score }) => score),
    ).toEqual(best);
  });
});

describe('BoundedHeap', () => {
  it('keeps what sorting and cutting would keep', () => {
    const scoreLists = fc.array(fc.double({ noNaN: true }), { maxLength: 300 });
    fc.assert(
      fc.property(scoreLists, fc.integer({ min: 1, max: 100 }), (scores, capacity) => {
        const heap = new BoundedHeap(capacity);
        scores.forEach((score, i) => heap.add(0, i, i + 1, score));
        const kept = heap.sorted().map(({ score }) => score);
        expect(kept).toEqual([...scores].sort((a, b) => b - a).slice(0, capacity));
      }),
    );
  });
});

describe('distinctSpans', () => {
  const span = (start: number, end: number, score: number, context = 0) => ({ context, start, end, score });

  it('leaves out overlaps and repetitions, in any context', () => {
    const contexts = ['on the Rhine, by the rhine', 'the Rhine'];
    const spans = [
      span(3, 12, 9), // the Rhine
      span(7, 12, 8), // Rhine, within it
      span(17, 26, 7), // the rhine: the same words again
      span(0, 9, 6, 1), // and again
      span(0, 2, 5), // on
      span(21, 26, 4), // rhine: of another text than the first
    ];
    expect(distinctSpans(spans, 9, contexts)).toEqual([spans[0], spans[4], spans[5]]);
    expect(distinctSpans(spans, 2, contexts)).toEqual([spans[0], spans[4]]);
  });

  it('lets spans touch, and stand at the same place of different contexts', () => {
    const spans = [span(0, 2, 3), span(2, 4, 2), span(0, 2, 1, 1)];
    expect(distinctSpans(spans, 3, ['abcd', 'efgh'])).toEqual(spans);
  });

  it('finds k answers among as many candidates as are kept', () => {
    // The worst case: everything better than the second answer overlaps the first.
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 2, max: 5 }), (maxAnswerLength, topK) => {
        const overlapped = 2 * maxAnswerLength ** 2;
        expect(candidatesFor(topK, maxAnswerLength)).toBeGreaterThanOrEqual(
          (topK - 1) * (overlapped - 1) + 1,
        );
      }),
    );
  });
});
