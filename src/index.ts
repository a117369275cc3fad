/**
 * Bertram: BERT from corpus to answer. What most programs need is here; every room of the house is also a subpath of
 * its own (`bertram/tokenizers`, `bertram/squad`, `bertram/graph` and so on).
 *
 *     import { QuestionAnswering } from 'bertram';
 *     const qa = await QuestionAnswering.load();
 *     const [best] = await qa.answer({ question, context });
 */
export {
  bertForQuestionAnswering,
  bertInputs,
  parseBertConfig,
  presetConfig,
  spanLoss,
  type BertConfig,
} from './bert/index.ts';
export { gradient } from './autodiff/index.ts';
export { Dropout, Parameters } from './nn/index.ts';
export * from './pipelines/index.ts';
export { compile, Program, type CompileOptions, type HostTensor } from './runtime/index.ts';
export {
  parseSquad,
  scoreSquadV1,
  scoreSquadV2,
  squadFeatures,
  type SquadDataset,
  type SquadExample,
} from './squad/index.ts';
export { BertramError, type ErrorCode } from './support/errors.ts';
export { BertTokenizer, Vocabulary, type BertTokenizerOptions, type Encoding } from './tokenizers/index.ts';
