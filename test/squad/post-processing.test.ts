import { createHash } from 'node:crypto';
import { array, assert, constantFrom, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  contextWindows,
  formatPredictionFiles,
  predictAnswer,
  predictAnswers,
  squadFeatures,
  type PostProcessingOptions,
} from '../../src/squad/index.ts';
import { largestIndices } from '../../src/squad/n-best.ts';
import {
  golden,
  hasSharedData,
  Lcg,
  ownSet,
  ownTokenizer,
  sharedSet,
  sharedTokenizer,
} from './shared-sets.ts';

interface GoldenAnswers {
  readonly seed: number;
  readonly mode: 'overlap' | 'step';
  readonly padded: boolean;
  readonly options: {
    n_best_size?: number;
    max_answer_length?: number;
    version_2_with_negative?: boolean;
    null_score_diff_threshold?: number;
  };
  readonly questions: number;
  readonly windows: number;
  readonly probabilities: number[];
  readonly predictions_digest: string;
  readonly nbest_digest: string;
  readonly null_odds_digest?: string;
  readonly sample?: Record<string, string>;
  readonly files?: { predictions: string; nbest_predictions: string; null_odds?: string };
}

const goldens = golden('post-processing') as Record<string, GoldenAnswers>;

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function optionsOf({ options }: GoldenAnswers): PostProcessingOptions {
  return {
    nBestSize: options.n_best_size ?? 20,
    maxAnswerLength: options.max_answer_length ?? 30,
    withNoAnswer: options.version_2_with_negative ?? false,
    nullScoreDiffThreshold: options.null_score_diff_threshold ?? 0,
  };
}

describe.each(Object.entries(goldens))('predictAnswers: %s', (name, expected) => {
  const isOwn = name.startsWith('own');

  it.skipIf(!isOwn && !hasSharedData)(
    'writes the files of utils_qa.py (skipped without ../shared/data)',
    async () => {
      const tokenizer = isOwn ? ownTokenizer('cased') : sharedTokenizer('cased');
      const first = (isOwn ? ownSet() : await sharedSet('new-wiki-valid')).examples.slice(0, 400);
      const lengths = { maxSeqLength: 97, docStride: 31, maxQueryLength: 32, strideMode: expected.mode };
      // The reference has no features for questions that must be cut in overlap mode.
      const { truncatedQuestions } = squadFeatures(first, tokenizer, lengths);
      const cut = new Set(
        expected.mode === 'overlap' ? truncatedQuestions.map(({ exampleIndex }) => exampleIndex) : [],
      );
      const examples = first.filter((_, index) => !cut.has(index));
      const { windows } = squadFeatures(examples, tokenizer, { ...lengths, labels: false });
      expect([examples.length, windows.length]).toEqual([expected.questions, expected.windows]);

      const options = optionsOf(expected);
      const lcg = new Lcg(expected.seed);
      const bonus = options.withNoAnswer === true ? 6 : 0;
      const logits = windows.map(({ inputIds }) => {
        const count = expected.padded ? lengths.maxSeqLength : inputIds.length;
        return { startLogits: lcg.logits(count, bonus), endLogits: lcg.logits(count, bonus) };
      });
      const answers = predictAnswers(examples, windows, logits, options);
      const { predictions, nBestPredictions, nullOdds } = formatPredictionFiles(answers);

      const probabilities = [...nBestPredictions.matchAll(/"probability": (\S+)/g)].map(([, value]) =>
        Number(value),
      );
      expected.probabilities.forEach((value, index) => expect(probabilities[index]).toBeCloseTo(value, 6));
      const masked = nBestPredictions.replace(/"probability": \S+/g, '"probability": 0.0');
      if (expected.files !== undefined) {
        expect(predictions).toBe(expected.files.predictions);
        expect(masked).toBe(expected.files.nbest_predictions);
        expect(nullOdds).toBe(expected.files.null_odds);
      }
      for (const [id, text] of Object.entries(expected.sample ?? {}))
        expect(answers.get(id)!.text).toBe(text);
      expect(sha256(predictions)).toBe(expected.predictions_digest);
      expect(sha256(masked)).toBe(expected.nbest_digest);
      expect(nullOdds && sha256(nullOdds)).toBe(expected.null_odds_digest);

      for (const { id, context } of examples) {
        for (const { text, start, end } of answers.get(id)!.nBest) {
          if (start >= 0) expect(context.slice(start, end)).toBe(text);
        }
      }
    },
  );
});

/** A window over "w0 w1 w2 ..." with a question of one piece: context position p of the window is word p - 3. */
function wordWindow(words: number) {
  const context = Array.from({ length: words }, (_, index) => `w${index}`).join(' ');
  const starts = Int32Array.from(context.matchAll(/w\d+/g), (match) => match.index);
  const ends = Int32Array.from(context.matchAll(/w\d+/g), (match) => match.index + match[0].length);
  const question = { ids: Int32Array.of(7), starts: Int32Array.of(0), ends: Int32Array.of(1) };
  const pieces = { ids: starts.map((_, index) => index), starts, ends };
  return { context, windows: contextWindows(question, pieces, { clsId: 101, sepId: 102 }) };
}

describe('predictAnswer', () => {
  const { context, windows } = wordWindow(6);
  const logits = (start: number[], end: number[]) => [
    { startLogits: Float32Array.from(start), endLogits: Float32Array.from(end) },
  ];
  //                 CLS  q SEP  w0 w1 w2 w3 w4 w5 SEP
  const startLogits = [1, 9, 9, 0, 5, 4, 0, 0, 0, 9];
  const endLogits = [1, 9, 9, 6, 0, 0, 4, 3, 0, 9];

  it('passes over the question, the special tokens, and ends before starts', () => {
    const { text, nBest } = predictAnswer(context, windows, logits(startLogits, endLogits));
    expect(text).toBe('w1 w2 w3');
    expect(nBest[0]).toMatchObject({ start: 3, end: 11, startLogit: 5, endLogit: 4 });
    expect(nBest.map((candidate) => candidate.probability).reduce((sum, p) => sum + p)).toBeCloseTo(1, 6);
  });

  it('keeps answers within the longest allowed', () => {
    const { text } = predictAnswer(context, windows, logits(startLogits, endLogits), { maxAnswerLength: 2 });
    expect(text).toBe('w2 w3');
  });

  it('gives no answer when its score exceeds the best by more than the threshold', () => {
    const impossible = logits([9, ...startLogits.slice(1)], [4.5, ...endLogits.slice(1)]);
    const predict = (nullScoreDiffThreshold: number) =>
      predictAnswer(context, windows, impossible, { withNoAnswer: true, nullScoreDiffThreshold });
    expect(predict(4)).toMatchObject({ text: '', nullScoreDifference: 4.5 });
    expect(predict(4.5)).toMatchObject({ text: 'w1 w2 w3', nullScoreDifference: 4.5 });
    expect(predict(4).nBest[0]).toMatchObject({ text: '', start: 0, end: 0, startLogit: 9, endLogit: 4.5 });
    expect(predictAnswer(context, windows, impossible).nullScoreDifference).toBeUndefined();
  });

  it('takes the least null score of all windows, and keeps it below the n-th rank', () => {
    const all = [-1, 1, 1].flatMap((ofCls) => logits([ofCls, ...startLogits.slice(1)], endLogits));
    const same = all.map(() => windows[0]!);
    const options = { withNoAnswer: true, nBestSize: 5 };
    const { nBest, nullScoreDifference } = predictAnswer(context, same, all, options);
    expect(nullScoreDifference).toBe(0 - 9);
    expect(nBest.map(({ startLogit, endLogit }) => startLogit + endLogit)).toEqual([9, 9, 9, 8, 8, 0]);
    expect(nBest.at(-1)).toMatchObject({ text: '', startLogit: -1, endLogit: 1 });
  });

  it('predicts the word "empty" where there is no span at all, like the reference', () => {
    const backwards = logits([0, 0, 0, 0, 0, 0, 0, 0, 9, 0], [0, 0, 0, 9, 0, 0, 0, 0, 0, 0]);
    expect(predictAnswer(context, windows, backwards, { nBestSize: 1 })).toMatchObject({
      text: 'empty',
      nBest: [{ text: 'empty', start: -1, end: -1, probability: 1 }],
    });
    expect(predictAnswer(context, [], [])).toMatchObject({ text: 'empty' });
    expect(predictAnswer(context, [], [], { withNoAnswer: true })).toMatchObject({ text: 'empty' });
  });

  it('refuses logits that are not numbers, too few, or for other windows', () => {
    const broken = logits([...startLogits.slice(0, 5), NaN, ...startLogits.slice(6)], endLogits);
    expect(() => predictAnswer(context, windows, broken)).toThrow(
      'window 0, start: expected finite logits, got NaN at position 5',
    );
    expect(() => predictAnswer(context, windows, logits(startLogits, endLogits.slice(1)))).toThrow(
      'window 0: expected at least 10 start and end logits, got 10 and 9',
    );
    expect(() => predictAnswer(context, windows, [])).toThrow('logits: expected 1 windows, got 0');
    expect(() => predictAnswers([], [], logits([], []))).toThrow('logits: expected 0 windows, got 1');
  });

  it.each<[PostProcessingOptions, string]>([
    [{ nBestSize: 0 }, 'n_best_size: expected a whole number from 1, got 0'],
    [{ maxAnswerLength: 1.5 }, 'max_answer_length: expected a whole number from 1, got 1.5'],
    [{ nullScoreDiffThreshold: NaN }, 'null_score_diff_threshold: expected a number, got NaN'],
  ])('refuses %j', (options, message) => {
    expect(() => predictAnswer(context, windows, logits(startLogits, endLogits), options)).toThrow(message);
  });

  it('selects as the reference does by forming every pair and sorting, ties included', () => {
    const fewValues = array(constantFrom(-1, 0, 0.5, 1, 2), { minLength: 10, maxLength: 10 });
    assert(
      property(tuple(fewValues, fewValues, integer({ min: 1, max: 8 })), ([start, end, nBestSize]) => {
        const { nBest } = predictAnswer(context, windows, logits(start, end), { nBestSize });
        const byRank = (values: number[]) =>
          values
            .map((_, index) => index)
            .sort((a, b) => values[b]! - values[a]! || b - a)
            .slice(0, nBestSize);
        const isWord = (position: number) => position >= 3 && position < 9;
        const pairs = byRank(start).flatMap((s) => byRank(end).map((e) => [s, e] as const));
        const possible = pairs.filter(([s, e]) => isWord(s) && isWord(e) && e >= s);
        const sorted = possible.sort(([s, e], [s2, e2]) => start[s2]! + end[e2]! - start[s]! - end[e]!);
        const expected = sorted.slice(0, nBestSize).map(([s, e]) => [(s - 3) * 3, (e - 3) * 3 + 2]);
        const found = nBest.filter(({ start }) => start >= 0);
        expect(found.map((candidate) => [candidate.start, candidate.end])).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('largestIndices', () => {
  it('is the head of a full sort, later indices first among equals', () => {
    const values = array(constantFrom(-Infinity, -3, -0, 0, 0.1, 7), { maxLength: 40 });
    assert(
      property(tuple(values, integer({ min: 1, max: 25 })), ([list, n]) => {
        const logits = Float32Array.from(list);
        const sorted = list
          .map((_, index) => index)
          .sort((a, b) => (list[a] === list[b] ? b - a : logits[b]! - logits[a]!));
        expect(largestIndices(logits, n, 'logits')).toEqual(sorted.slice(0, n));
      }),
    );
  });
});
