import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  exactMatch,
  f1,
  f1WithNoAnswer,
  normalizeAnswer,
  scoreSquadV1,
  scoreSquadV2,
  squadV1Report,
  squadV2Report,
  type SquadExample,
} from '../../src/squad/index.ts';
import { golden, hasSharedData, Lcg, ownSet, sharedSet } from './shared-sets.ts';

type Report = Record<string, number>;

/** What evaluate-v1.1.py and evaluate-v2.0.py print. */
interface GoldenScores {
  readonly normalized: [string, string][];
  readonly f1_v1_digest: string;
  readonly f1_v2_digest: string;
  readonly exact: number;
  readonly sets: Record<
    string,
    { v1?: Report; v1_partial?: Report; v2: Report; v2_odds: Report; v2_odds_threshold: Report }
  >;
}

const official = golden('metrics') as GoldenScores;
const texts = official.normalized.map(([text]) => text);
const pairs = texts.flatMap((a) => texts.map((b) => [a, b] as const));

function digestOf(values: number[]): string {
  return createHash('sha256').update(Float64Array.from(values)).digest('hex');
}

describe('a pair of answers', () => {
  it.each(official.normalized)('normalises %j as the official scorers do', (text, normalized) => {
    expect(normalizeAnswer(text)).toBe(normalized);
  });

  it('has the F1 of evaluate-v1.1.py, to the bit', () => {
    expect(digestOf(pairs.map(([a, b]) => f1(a, b)))).toBe(official.f1_v1_digest);
  });

  it('has the F1 of evaluate-v2.0.py, to the bit', () => {
    expect(digestOf(pairs.map(([a, b]) => f1WithNoAnswer(a, b)))).toBe(official.f1_v2_digest);
  });

  it('matches exactly where the official scorers say so', () => {
    expect(pairs.reduce((sum, [a, b]) => sum + exactMatch(a, b), 0)).toBe(official.exact);
  });
});

/** The predictions of scripts/golden/squad.py. */
function noisyPredictions(examples: readonly SquadExample[], lcg: Lcg): Map<string, string> {
  return new Map(
    examples.map(({ id, question, context, answers }) => {
      const choice = lcg.next() >>> 29;
      const gold = answers.at(-1)?.text ?? question;
      const options = [
        gold,
        `The ${gold}!`,
        gold.split(' ').slice(0, 2).join(' '),
        `${gold} ${question}`,
        question,
        '',
        Array.from(context.slice(0, 120)).slice(0, 60).join(''),
        gold.toLowerCase(),
      ];
      return [id, options[choice]!];
    }),
  );
}

function expectReport(report: Report, expected: Report): void {
  expect(Object.keys(report)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) expect(report[name], name).toBeCloseTo(value, 10);
}

describe.each(Object.entries(official.sets))('the scores of %s', (name, expected) => {
  const isOwn = name === 'own-set';
  const load = async () => (isOwn ? ownSet() : await sharedSet(name)).examples;

  it.skipIf(isOwn || !hasSharedData)(
    'are those of evaluate-v1.1.py (skipped without ../shared/data)',
    async () => {
      const examples = await load();
      const predictions = noisyPredictions(examples, new Lcg(7));
      const scores = scoreSquadV1(examples, predictions);
      expectReport(squadV1Report(scores), expected.v1!);
      expect(scores.unanswered).toEqual([]);

      const partial = new Map([...predictions].filter((_, index) => index % 10 !== 3));
      const partialScores = scoreSquadV1(examples, partial);
      expectReport(squadV1Report(partialScores), expected.v1_partial!);
      expect(partialScores.total).toBe(examples.length);
      expect(partialScores.unanswered).toHaveLength(examples.length - partial.size);
    },
  );

  it.skipIf(!isOwn && !hasSharedData)(
    'are those of evaluate-v2.0.py (skipped without ../shared/data)',
    async () => {
      const loaded = await load();
      const withoutThirds = loaded.map((example, index): SquadExample =>
        index % 3 === 0 ? { ...example, answers: [], isImpossible: true } : example,
      );
      const examples = isOwn ? loaded : withoutThirds;
      const lcg = new Lcg(11);
      const predictions = noisyPredictions(examples, lcg);
      const nullOdds = new Map(examples.map(({ id }) => [id, (((lcg.next() >>> 20) % 64) - 32) / 8]));
      expectReport(squadV2Report(scoreSquadV2(examples, predictions)), expected.v2);
      expectReport(squadV2Report(scoreSquadV2(examples, predictions, { nullOdds })), expected.v2_odds);
      const thresholded = scoreSquadV2(examples, predictions, { nullOdds, noAnswerThreshold: -1.5 });
      expectReport(squadV2Report(thresholded), expected.v2_odds_threshold);
    },
  );
});

describe('scoring', () => {
  const { examples } = ownSet();
  const answerable = examples.filter(({ isImpossible }) => !isImpossible);
  const right = new Map(examples.map(({ id, answers }) => [id, answers[0]?.text ?? '']));

  it('gives right answers everything', () => {
    expect(squadV1Report(scoreSquadV1(answerable, right))).toEqual({ exact_match: 100, f1: 100 });
    const scores = scoreSquadV2(examples, right);
    expect(scores).toMatchObject({ exact: 100, f1: 100, total: 25, noAnswer: { exact: 100, total: 3 } });
    expect(scores.best).toBeUndefined();
    expect(scoreSquadV2(answerable, right).noAnswer).toBeUndefined();
  });

  it('counts a question without a prediction as wrong, by both rules', () => {
    const missing = new Map([...right].slice(1));
    expect(scoreSquadV1(answerable, missing)).toMatchObject({
      exactMatch: (100 * 21) / 22,
      total: 22,
      unanswered: [examples[0]!.id],
    });
    const nullOdds = new Map([...missing.keys()].map((id) => [id, 0]));
    expect(scoreSquadV2(examples, missing, { nullOdds })).toMatchObject({
      exact: 96,
      total: 25,
      hasAnswer: { total: 22 },
      unanswered: [examples[0]!.id],
    });
  });

  it('passes over predictions for other questions', () => {
    expect(scoreSquadV2(examples, new Map([...right, ['other', 'x']])).exact).toBe(100);
  });

  it('refuses impossible questions by the rules of v1.1, and null odds that lack a question', () => {
    expect(() => scoreSquadV1(examples, right)).toThrow(
      'expected a gold answer, to score by the rules of v1.1, got none',
    );
    const nullOdds = new Map([['other', 1]]);
    expect(() => scoreSquadV2(examples, right, { nullOdds })).toThrow(
      'null odds: expected a value for question own-01',
    );
  });
});
