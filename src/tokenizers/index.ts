/** Text to vocabulary ids, with the place of every piece in the text. */
export type { AddedToken } from './added-tokens.ts';
export { BertTokenizer } from './bert-tokenizer.ts';
export type { BertTokenizerOptions } from './bert-tokenizer.ts';
export type { Encoding } from './encoding.ts';
export { Vocabulary } from './vocabulary.ts';
