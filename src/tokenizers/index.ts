/** Text to vocabulary ids, with the place of every piece in the text. */
export type { AddedToken } from './added-tokens.ts';
export { BasicTokenizer } from './basic-tokenizer.ts';
export type { Word } from './basic-tokenizer.ts';
export { BertTokenizer } from './bert-tokenizer.ts';
export type { BertTokenizerOptions, DecodeOptions } from './bert-tokenizer.ts';
export type { Encoding } from './encoding.ts';
export type { NormalizerOptions } from './normalizer.ts';
export { overlappingWindows, truncatedLengths } from './truncation.ts';
export type { TruncationStrategy } from './truncation.ts';
export { Vocabulary } from './vocabulary.ts';
export { windowsOf } from './windows.ts';
export type { EncodedWindow, WindowOptions } from './windows.ts';
export { WordCounter } from './word-counter.ts';
export type { LeftOut, WordCounterOptions } from './word-counter.ts';
export { bertSpecialTokens, trainWordPiece } from './word-piece-trainer.ts';
export type { TrainerEvent, TrainerOptions } from './word-piece-trainer.ts';
export { truncatedInput } from './truncated-input.ts';
export type { TextOrPair, TruncatedInput } from './truncated-input.ts';
