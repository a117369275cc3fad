/** Question answering on SQuAD-like data: data sets, windows, answers from logits, scores. */
export { noAnswerLabel, type AnswerLabel } from './answer-labels.ts';
export {
  exactMatch,
  f1,
  f1WithNoAnswer,
  normalizeAnswer,
  scoreSquadV1,
  scoreSquadV2,
  squadV1Report,
  squadV2Report,
  type BestThresholds,
  type ScoredPart,
  type SquadV1Scores,
  type SquadV2Options,
  type SquadV2Scores,
} from './metrics.ts';
export { negativeExamples, type NegativeOptions } from './negatives.ts';
export {
  checkPostProcessingOptions,
  defaultPostProcessingOptions,
  predictAnswer,
  predictAnswers,
  type AnswerCandidate,
  type AnswerPrediction,
  type PostProcessingOptions,
  type WindowLogits,
} from './post-processing.ts';
export {
  formatPredictionFiles,
  parseNullOdds,
  parsePredictions,
  type PredictionFiles,
} from './prediction-files.ts';
export {
  parseSquad,
  type DroppedAnswer,
  type SquadAnswer,
  type SquadDataset,
  type SquadExample,
  type SquadParseOptions,
} from './squad-dataset.ts';
export {
  squadFeatures,
  type SquadFeatureOptions,
  type SquadFeatures,
  type SquadWindow,
} from './squad-features.ts';
export {
  checkWindowOptions,
  contextWindows,
  defaultWindowOptions,
  type ContextWindow,
  type WindowOptions,
  type WindowTokenizer,
} from './windows.ts';
