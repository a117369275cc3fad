/**
 * Exact match and F1 as the two official scorers count them, for one answer and for a data set.
 *
 * Source: `evaluate-v1.1.py` and `evaluate-v2.0.py` of the SQuAD authors. They differ in more than no-answers: of two
 * texts that normalise to nothing ("the" and "a"), v1.1 finds F1 0 and v2.0 finds F1 1.
 */
import { badInput } from '../support/errors.ts';
import { removePunctuation, replaceArticles, splitOnSpaces } from './python-strings.ts';
import type { SquadExample } from './squad-dataset.ts';

/** The words that are compared: lower-cased, without ASCII punctuation, without articles. */
export function answerWords(text: string): string[] {
  return splitOnSpaces(replaceArticles(removePunctuation(text.toLowerCase())));
}

/** {@link answerWords} with single spaces between: `normalize_answer` of both scorers. */
export function normalizeAnswer(text: string): string {
  return answerWords(text).join(' ');
}

/** 1 if the two answers are the same once normalised, else 0. */
export function exactMatch(prediction: string, gold: string): number {
  return normalizeAnswer(prediction) === normalizeAnswer(gold) ? 1 : 0;
}

/** The harmonic mean of the precision and recall of words, each counted as often as it occurs in both; v1.1's rule. */
export function f1(prediction: string, gold: string): number {
  return wordF1(answerWords(prediction), answerWords(gold));
}

/** As {@link f1}, but where either answer has no words: 1 if neither has, else 0; v2.0's rule. */
export function f1WithNoAnswer(prediction: string, gold: string): number {
  const predicted = answerWords(prediction);
  const expected = answerWords(gold);
  if (predicted.length === 0 || expected.length === 0) return predicted.length === expected.length ? 1 : 0;
  return wordF1(predicted, expected);
}

function wordF1(predicted: readonly string[], expected: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of expected) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of predicted) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    common++;
  }
  if (common === 0) return 0;
  const precision = common / predicted.length;
  const recall = common / expected.length;
  return (2 * precision * recall) / (precision + recall);
}

/** Percentages over all questions. */
export interface SquadV1Scores {
  readonly exactMatch: number;
  readonly f1: number;
  readonly total: number;
  /** Questions without a prediction, which score 0. */
  readonly unanswered: readonly string[];
}

/**
 * Scores predictions by `evaluate-v1.1.py`: the best over each question's gold answers.
 *
 * @param predictions question id to answer text; ids of other questions are passed over
 * @throws BertramError `bad-input` for a question without gold answers, which v1.1 does not know
 */
export function scoreSquadV1(
  examples: readonly SquadExample[],
  predictions: ReadonlyMap<string, string>,
): SquadV1Scores {
  const unanswered: string[] = [];
  let exactSum = 0;
  let f1Sum = 0;
  for (const { id, answers } of examples) {
    const prediction = predictions.get(id);
    if (answers.length === 0)
      badInput(`question ${id}`, 'a gold answer, to score by the rules of v1.1', 'none');
    if (prediction === undefined) {
      unanswered.push(id);
      continue;
    }
    exactSum += Math.max(...answers.map(({ text }) => exactMatch(prediction, text)));
    f1Sum += Math.max(...answers.map(({ text }) => f1(prediction, text)));
  }
  const total = examples.length;
  return { exactMatch: (100 * exactSum) / total, f1: (100 * f1Sum) / total, total, unanswered };
}

/** Percentages over a part of the questions. */
export interface ScoredPart {
  readonly exact: number;
  readonly f1: number;
  readonly total: number;
}

/** The best scores that any threshold on the null odds would give, and the thresholds that give them. */
export interface BestThresholds {
  readonly exact: number;
  readonly exactThreshold: number;
  readonly f1: number;
  readonly f1Threshold: number;
}

export interface SquadV2Scores extends ScoredPart {
  /** The questions that have an answer; `undefined` if there are none. */
  readonly hasAnswer: ScoredPart | undefined;
  readonly noAnswer: ScoredPart | undefined;
  /** Only with null odds. */
  readonly best: BestThresholds | undefined;
  /** Questions without a prediction, which score 0. (`evaluate-v2.0.py` announces them and then stops on them.) */
  readonly unanswered: readonly string[];
}

export interface SquadV2Options {
  /** Question id to score or probability of no answer, as in `null_odds.json`. */
  readonly nullOdds?: ReadonlyMap<string, number>;
  /** Null odds above this turn a prediction into "no answer"; the scorer's own default, 1, is meant for probabilities. */
  readonly noAnswerThreshold?: number;
}

interface QuestionScore {
  readonly id: string;
  readonly hasAnswer: boolean;
  readonly exact: number;
  readonly f1: number;
}

/**
 * Scores predictions by `evaluate-v2.0.py`; the right answer to an impossible question is the empty text.
 *
 * @throws BertramError `bad-input` for null odds that lack a predicted question
 */
export function scoreSquadV2(
  examples: readonly SquadExample[],
  predictions: ReadonlyMap<string, string>,
  options: SquadV2Options = {},
): SquadV2Scores {
  const { nullOdds, noAnswerThreshold = 1 } = options;
  const raw = examples.map((example) => scoreQuestion(example, predictions.get(example.id)));
  const scores = raw.map((score) => {
    if (nullOdds === undefined || !predictions.has(score.id)) return score;
    const odds = nullOdds.get(score.id) ?? badInput('null odds', `a value for question ${score.id}`, 'none');
    if (odds <= noAnswerThreshold) return score;
    const correct = score.hasAnswer ? 0 : 1;
    return { ...score, exact: correct, f1: correct };
  });
  const withAnswer = scores.filter((score) => score.hasAnswer);
  const without = scores.filter((score) => !score.hasAnswer);
  return {
    ...averageOf(scores),
    hasAnswer: withAnswer.length > 0 ? averageOf(withAnswer) : undefined,
    noAnswer: without.length > 0 ? averageOf(without) : undefined,
    best: nullOdds && bestThresholds(raw, predictions, nullOdds),
    unanswered: examples.filter(({ id }) => !predictions.has(id)).map(({ id }) => id),
  };
}

function scoreQuestion({ id, answers }: SquadExample, prediction: string | undefined): QuestionScore {
  const hasAnswer = answers.length > 0;
  if (prediction === undefined) return { id, hasAnswer, exact: 0, f1: 0 };
  // A gold answer of articles and punctuation only does not count; if no other is left, the empty text is expected.
  const counting = answers.map(({ text }) => text).filter((text) => normalizeAnswer(text) !== '');
  const golds = counting.length > 0 ? counting : [''];
  return {
    id,
    hasAnswer,
    exact: Math.max(...golds.map((gold) => exactMatch(prediction, gold))),
    f1: Math.max(...golds.map((gold) => f1WithNoAnswer(prediction, gold))),
  };
}

function averageOf(scores: readonly QuestionScore[]): ScoredPart {
  const total = scores.length;
  const sumOf = (metric: 'exact' | 'f1') => scores.reduce((sum, score) => sum + score[metric], 0);
  return { exact: (100 * sumOf('exact')) / total, f1: (100 * sumOf('f1')) / total, total };
}

function bestThresholds(
  scores: readonly QuestionScore[],
  predictions: ReadonlyMap<string, string>,
  nullOdds: ReadonlyMap<string, number>,
): BestThresholds {
  const exact = bestThreshold('exact', scores, predictions, nullOdds);
  const best = bestThreshold('f1', scores, predictions, nullOdds);
  return { exact: exact.score, exactThreshold: exact.threshold, f1: best.score, f1Threshold: best.threshold };
}

/**
 * Raises the threshold from "answer nothing" past one question's odds after the other: a question with an answer then
 * gains its score, one without loses its point unless its prediction is empty anyway.
 */
function bestThreshold(
  metric: 'exact' | 'f1',
  scores: readonly QuestionScore[],
  predictions: ReadonlyMap<string, string>,
  nullOdds: ReadonlyMap<string, number>,
): { score: number; threshold: number } {
  const scoreOf = new Map(scores.map((score) => [score.id, score]));
  let current = scores.filter((score) => !score.hasAnswer).length;
  let best = current;
  let threshold = 0;
  const ascending = [...nullOdds].sort(([, a], [, b]) => a - b); // stable, as Python's is
  for (const [id, odds] of ascending) {
    const score = scoreOf.get(id);
    const prediction = predictions.get(id);
    if (score === undefined || prediction === undefined) continue;
    if (score.hasAnswer) current += score[metric];
    else if (prediction !== '') current -= 1;
    if (current > best) {
      best = current;
      threshold = odds;
    }
  }
  return { score: (100 * best) / scores.length, threshold };
}

/** The scores under the official names and in the official order: what `evaluate-v1.1.py` prints. */
export function squadV1Report(scores: SquadV1Scores): Record<string, number> {
  return { exact_match: scores.exactMatch, f1: scores.f1 };
}

/** The scores under the official names and in the official order: what `evaluate-v2.0.py` prints. */
export function squadV2Report(scores: SquadV2Scores): Record<string, number> {
  const report: Record<string, number> = { exact: scores.exact, f1: scores.f1, total: scores.total };
  for (const [prefix, part] of [
    ['HasAns', scores.hasAnswer],
    ['NoAns', scores.noAnswer],
  ] as const) {
    if (part === undefined) continue;
    report[`${prefix}_exact`] = part.exact;
    report[`${prefix}_f1`] = part.f1;
    report[`${prefix}_total`] = part.total;
  }
  if (scores.best !== undefined) {
    report['best_exact'] = scores.best.exact;
    report['best_exact_thresh'] = scores.best.exactThreshold;
    report['best_f1'] = scores.best.f1;
    report['best_f1_thresh'] = scores.best.f1Threshold;
  }
  return report;
}
