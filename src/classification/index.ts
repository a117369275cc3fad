/** Classifiers of texts: on frozen features, or fine-tuned with the encoder. */
export { saveLinearClassifier } from './classifier-directory.ts';
export {
  classifierLogits,
  formatClassifierHead,
  parseClassifierHead,
  type ClassifierHead,
  type PooledFeatures,
} from './classifier-head.ts';
export {
  classificationObjective,
  fineTuneClassifier,
  type ClassifierFineTuningOptions,
} from './fine-tuning.ts';
export { labelIds, labelsOf, splitTexts, type LabelledText, type SplitTexts } from './labelled-texts.ts';
export {
  fitLogisticRegression,
  type FeatureMatrix,
  type FittedClassifier,
  type LinearClassifier,
  type LogisticRegressionOptions,
} from './logistic-regression.ts';
export { classificationMetrics, type ClassificationMetrics, type ClassScores } from './metrics.ts';
