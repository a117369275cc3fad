/**
 * BERT's basic tokenizer alone: text to normalised words with their place in the text, before WordPiece
 * (`BasicTokenizer` of google-research/bert `tokenization.py`, by the rules of Hugging Face `tokenizers`).
 */
import { TRAIT_PUNCTUATION, TRAIT_WHITESPACE, traitsOf } from './character-classes.ts';
import { Normalizer, normalizerOptions } from './normalizer.ts';
import type { NormalizerOptions } from './normalizer.ts';

/** A word, punctuation mark or ideograph; `text` is normalised, the offsets are UTF-16 units of the original. */
export interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export class BasicTokenizer {
  readonly #normalizer: Normalizer;

  constructor(options: Partial<NormalizerOptions> = {}) {
    this.#normalizer = new Normalizer(normalizerOptions(options));
  }

  words(text: string): Word[] {
    const { codePoints, starts, ends } = this.#normalizer.normalize(text, 0, text.length);
    const words: Word[] = [];
    const add = (from: number, to: number) => {
      const characters = codePoints.slice(from, to).map((codePoint) => String.fromCodePoint(codePoint));
      words.push({ text: characters.join(''), start: starts[from]!, end: ends[to - 1]! });
    };
    let wordStart = 0;
    codePoints.forEach((codePoint, i) => {
      const traits = traitsOf[codePoint]!;
      if ((traits & (TRAIT_WHITESPACE | TRAIT_PUNCTUATION)) === 0) return;
      if (wordStart < i) add(wordStart, i);
      if ((traits & TRAIT_PUNCTUATION) !== 0) add(i, i + 1);
      wordStart = i + 1;
    });
    if (wordStart < codePoints.length) add(wordStart, codePoints.length);
    return words;
  }
}
