/** The tokenizer of a model directory. */
import type { ModelDirectory } from '../checkpoint/index.ts';
import { BertTokenizer, Vocabulary } from '../tokenizers/index.ts';

/**
 * From `tokenizer.json` if it is there, as in transformers, else from `vocab.txt` with the casing of
 * `tokenizer_config.json`.
 *
 * @throws BertramError `bad-input` for a malformed file, `unsupported` for a `tokenizer.json` that is not BERT's
 */
export function loadTokenizer(directory: ModelDirectory): BertTokenizer {
  const { path, tokenizerJsonText, vocabText = '', doLowerCase } = directory;
  if (tokenizerJsonText !== undefined) {
    return BertTokenizer.fromTokenizerJson(tokenizerJsonText, `${path}/tokenizer.json`);
  }
  const where = `${path}/vocab.txt`;
  const vocabulary = Vocabulary.parse(vocabText, where);
  return new BertTokenizer(vocabulary, { lowercase: doLowerCase ?? !isCased(vocabulary) }, where);
}

/**
 * Whether a vocabulary was made from text with capitals. Google's own checkpoints say nowhere which they are, and
 * reading a cased model's text in lower case loses every name; an uncased vocabulary has capitals only in `[CLS]`
 * and its like.
 */
export function isCased(vocabulary: Vocabulary): boolean {
  for (const [token] of vocabulary.entries()) {
    if (/\p{Lu}/u.test(token) && !/^\[.*\]$/u.test(token)) return true;
  }
  return false;
}
