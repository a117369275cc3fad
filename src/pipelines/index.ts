/** Question answering and evaluation: what a library user calls. */
export { TextClassifier, type TextClassification, type TextClassifierOptions } from './classification.ts';
export {
  featureMatrix,
  trainFeatureClassifier,
  trainFineTunedClassifier,
  type ClassifierTrainingEvent,
  type ClassifierTrainingOptions,
  type ClassifierTrainingResult,
  type FeatureClassifierOptions,
  type FineTunedClassifierOptions,
} from './classifier-training.ts';
export {
  EvaluationInTraining,
  type EvaluationInTrainingOptions,
  type LoggedMetrics,
} from './evaluation-in-training.ts';
export { evaluate, type Evaluation, type EvaluationMetrics, type EvaluationOptions } from './evaluation.ts';
export {
  FillMask,
  type FilledBlank,
  type FillMaskEvent,
  type FillMaskOptions,
  type FillMaskRequest,
  type MaskCandidate,
} from './fill-mask.ts';
export { writeFeatureFile } from './feature-file.ts';
export {
  FeatureModel,
  poolings,
  type FeatureModelOptions,
  type Pooling,
  type SequenceStates,
} from './feature-model.ts';
export { FeatureExtractor, type FeatureOptions, type TextFeatures } from './features.ts';
export { defaultModelDirectory, openModelDirectory } from './model-directory.ts';
export { loadQuestionAnsweringModel, type ModelLoadOptions } from './model-loading.ts';
export { isCased, loadTokenizer } from './model-tokenizer.ts';
export { NextSentence, type NextSentenceScores, type SentencePair } from './next-sentence.ts';
export {
  isQuantizable,
  questionAnsweringGraph,
  QuestionAnsweringModel,
  quantizeWeights,
  type Precision,
  type QuestionAnsweringModelParts,
  type QuestionAnsweringWeights,
} from './question-answering-model.ts';
export {
  QuestionAnswering,
  type Answer,
  type AnswerResult,
  type QuestionAnsweringEvent,
  type QuestionAnsweringOptions,
  type WindowOutput,
} from './question-answering.ts';
export type { QuestionRequest } from './question-request.ts';
