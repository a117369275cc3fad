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
  bertInputs,
  bertPooler,
  spanLoss,
  type BertInputs,
  type SpanLogits,
} from './model.ts';
export { bertConfigOf, loadBertParameters, saveBert, type BertLoadOptions } from './pretrained.ts';
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
