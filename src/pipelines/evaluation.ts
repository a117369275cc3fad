/**
 * A model's score on a data set, exactly as transformers' `run_qa.py` finds it: windows, n best spans, EM and F1 by the
 * official rules.
 */
import {
  gatherValues,
  inTurns,
  singleProcess,
  unlessAborted,
  type Communicator,
} from '../distributed/index.ts';
import {
  checkPostProcessingOptions,
  defaultWindowOptions,
  predictAnswer,
  scoreSquadV1,
  scoreSquadV2,
  squadFeatures,
  squadV1Report,
  squadV2Report,
  type AnswerPrediction,
  type PostProcessingOptions,
  type SquadDataset,
  type SquadExample,
  type SquadWindow,
  type WindowLogits,
  type WindowOptions,
} from '../squad/index.ts';
import { badInput } from '../support/errors.ts';
import type { QuestionAnsweringModel } from './question-answering-model.ts';
import { readWindows, type ReadingOptions } from './window-reading.ts';

export interface EvaluationOptions extends WindowOptions, PostProcessingOptions, ReadingOptions {
  /** The ranks that share the questions: rank r answers questions r, r + size, and so on. All get all results. */
  readonly ranks?: Communicator;
}

/** What `evaluate-v1.1.py` and `evaluate-v2.0.py` report, in percent, and what it took. Names as they are on disk. */
export interface EvaluationMetrics {
  readonly exact_match: number;
  readonly f1: number;
  /** Questions. */
  readonly total: number;
  readonly windows: number;
  /** From the first window to the last answer. */
  readonly seconds: number;
  readonly samples_per_second: number;
  /** Questions whose end was cut to make room for the context. */
  readonly truncated_questions: number;
  /** v2.0 only: `exact` (the same as `exact_match`), `HasAns_exact`, `NoAns_f1`, `best_f1_thresh` and the like. */
  readonly [name: string]: number;
}

export interface Evaluation {
  readonly metrics: EvaluationMetrics;
  /** By question id, in the order of the data set. */
  readonly predictions: ReadonlyMap<string, AnswerPrediction>;
}

/**
 * Answers every question of a data set and scores the answers: by the rules of v2.0 if some question has no answer
 * there, or `withNoAnswer` is set; else by those of v1.1.
 *
 * @throws BertramError `bad-input` for impossible options, `failed` when a logit is not a finite number
 * @throws the reason of `signal`, once that is aborted on any rank: an answer to some of the questions is no evaluation
 */
export async function evaluate(
  model: QuestionAnsweringModel,
  { examples }: Pick<SquadDataset, 'examples'>,
  { ranks = singleProcess, ...options }: EvaluationOptions = {},
): Promise<Evaluation> {
  const withNoAnswer = options.withNoAnswer ?? examples.some(({ isImpossible }) => isImpossible);
  checkPostProcessingOptions(options);
  const { maxPositionEmbeddings } = model.config;
  const { maxSeqLength = Math.min(defaultWindowOptions.maxSeqLength, maxPositionEmbeddings) } = options;
  // 128 of 384; a third of shorter windows, which only small models have.
  const { docStride = Math.min(defaultWindowOptions.docStride, Math.floor(maxSeqLength / 3)) } = options;
  if (maxSeqLength > maxPositionEmbeddings) {
    badInput('max_seq_length', `at most the model's ${maxPositionEmbeddings} positions`, `${maxSeqLength}`);
  }
  const begin = performance.now();
  const layout = { ...options, maxSeqLength, docStride, labels: false };
  const own = examples.filter((_, index) => index % ranks.size === ranks.rank);
  const features = squadFeatures(own, model.tokenizer, layout);
  const found = await unlessAborted(ranks, () =>
    predict(model, own, features.windows, { ...options, withNoAnswer }),
  );
  const all = await gatherValues(ranks, {
    predictions: found,
    windows: features.windows.length,
    truncated: features.truncatedQuestions.length,
  });
  const predictions = new Map(inTurns(all.map((part) => part.predictions)));
  const windows = all.reduce((sum, part) => sum + part.windows, 0);
  const seconds = (performance.now() - begin) / 1000;
  const { exact_match, f1, ...others } = score(examples, predictions, withNoAnswer);
  return {
    metrics: {
      exact_match,
      f1,
      total: examples.length,
      windows,
      seconds,
      samples_per_second: windows / seconds,
      truncated_questions: all.reduce((sum, part) => sum + part.truncated, 0),
      ...others,
    },
    predictions,
  };
}

/** Windows stream through, so that logits of only a few questions are in memory at a time. */
async function predict(
  model: QuestionAnsweringModel,
  examples: readonly SquadExample[],
  windows: readonly SquadWindow[],
  options: EvaluationOptions,
): Promise<(readonly [id: string, AnswerPrediction])[]> {
  const predictions: (readonly [id: string, AnswerPrediction])[] = [];
  let exampleIndex = 0;
  let ownWindows: SquadWindow[] = [];
  let ownLogits: WindowLogits[] = [];
  const finishExample = (): void => {
    const { id, context } = examples[exampleIndex]!;
    predictions.push([id, predictAnswer(context, ownWindows, ownLogits, options)]);
    exampleIndex++;
    ownWindows = [];
    ownLogits = [];
  };
  let position = 0;
  for await (const logits of readWindows(model, windows, options)) {
    const window = windows[position++]!;
    while (exampleIndex < window.exampleIndex) finishExample();
    ownWindows.push(window);
    ownLogits.push(logits);
  }
  while (exampleIndex < examples.length) finishExample();
  return predictions;
}

function score(
  examples: readonly SquadExample[],
  predictions: ReadonlyMap<string, AnswerPrediction>,
  withNoAnswer: boolean,
): { exact_match: number; f1: number; [name: string]: number } {
  const texts = new Map(Array.from(predictions, ([id, { text }]) => [id, text]));
  if (!withNoAnswer) {
    const { exact_match = 0, f1 = 0 } = squadV1Report(scoreSquadV1(examples, texts));
    return { exact_match, f1 };
  }
  const nullOdds = new Map(
    Array.from(predictions, ([id, { nullScoreDifference }]) => [id, nullScoreDifference ?? 0]),
  );
  // The threshold has been applied already, where answers were chosen.
  const scores = scoreSquadV2(examples, texts, { nullOdds, noAnswerThreshold: Infinity });
  return { exact_match: scores.exact, f1: scores.f1, ...squadV2Report(scores) };
}
