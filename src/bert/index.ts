export { quantizeBert } from './quantization.ts';
export {
  formatBertConfig,
  parseBertConfig,
  presetConfig,
  presetNames,
  type BertConfig,
  type PresetName,
} from './config.ts';
export {
  bertEncoder,
  bertForQuestionAnswering,
  bertForSequenceClassification,
  bertInputs,
  bertPooler,
  spanLoss,
  type BertInputs,
  type SpanLogits,
} from './model.ts';
export { convertBert, type Conversion } from './conversion.ts';
export {
  bertConfigOf,
  bertFiles,
  loadBertParameters,
  restoreBert,
  saveBert,
  type BertLoadOptions,
  type BertTexts,
} from './pretrained.ts';
export {
  bertForMaskedLm,
  bertForNextSentencePrediction,
  bertForPreTraining,
  maskedLmPositions,
  pretrainingLabels,
  pretrainingLosses,
  type PretrainingLabels,
  type PretrainingLogits,
  type PretrainingLosses,
} from './pretraining-heads.ts';
export { padSequences, type BertFeeds, type BertSequence } from './padding.ts';
export { clsState, meanState } from './pooling.ts';
