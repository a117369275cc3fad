/** What the tests of this room share: the goldens of scripts/golden/tokenizer.py, and digests made as it makes them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BertTokenizer } from '../../src/tokenizers/index.ts';
import type { BertTokenizerOptions, Encoding } from '../../src/tokenizers/index.ts';

/** The content of a golden, for the caller to say what it is. */
export function readGolden(name: string): unknown {
  const file = new URL(`../golden/tokenizers/${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { content: unknown }).content;
}

export const smallVocabulary = readFileSync(
  new URL('../golden/tokenizers/vocab.txt', import.meta.url),
  'utf8',
);

/** The tokenizers that the goldens name. */
export const modes: Readonly<Record<string, BertTokenizerOptions>> = {
  cased: { lowercase: false },
  uncased: { lowercase: true },
  'uncased, accents kept': { lowercase: true, stripAccents: false },
  'cased, accents stripped': { lowercase: false, stripAccents: true },
  'uncased, not cleaned, ideographs not set apart': {
    lowercase: true,
    cleanText: false,
    handleChineseChars: false,
  },
  'cased, words up to 200': { lowercase: false, maxInputCharsPerWord: 200 },
};

export function smallTokenizer(mode: string): BertTokenizer {
  return BertTokenizer.fromVocab(smallVocabulary, modes[mode]);
}

/** SHA-256 of the lists of each text, each text's led by their length; its first 16 digits. */
export class Digest {
  readonly #hash = createHash('sha256');

  add(...lists: readonly ArrayLike<number>[]): void {
    this.#hash.update(Int32Array.of(lists[0]!.length));
    for (const list of lists) this.#hash.update(list instanceof Int32Array ? list : Int32Array.from(list));
  }

  addEncoding({ ids, starts, ends }: Encoding): void {
    this.add(ids, starts, ends);
  }

  toString(): string {
    return this.#hash.digest('hex').slice(0, 16);
  }
}

/** The digest of all encodings of some texts. */
export function digestOf(tokenizer: BertTokenizer, texts: Iterable<string>): string {
  const digest = new Digest();
  for (const text of texts) digest.addEncoding(tokenizer.encode(text));
  return digest.toString();
}

/** The pieces and offsets of a text in a form that is easy to read in a failure. */
export function listed(
  tokenizer: BertTokenizer,
  text: string,
): { tokens: string; starts: number[]; ends: number[] } {
  const { ids, starts, ends } = tokenizer.encode(text);
  return { tokens: tokenizer.tokensOf(ids).join(' '), starts: [...starts], ends: [...ends] };
}
