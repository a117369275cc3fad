/**
 * Added tokens: strings such as `[MASK]` that are recognised in the text itself and never cut into pieces.
 *
 * The rules are those of `added_vocabulary.rs` of Hugging Face `tokenizers`: of the tokens that begin leftmost the
 * longest is taken; `lstrip` and `rstrip` take the white space next to it along; `singleWord` asks for no word
 * character on either side.
 */
import type { Vocabulary } from './vocabulary.ts';

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** Only between characters that belong to no word. */
  readonly singleWord: boolean;
  /** The token covers the white space before it... */
  readonly lstrip: boolean;
  /** ...and after it. */
  readonly rstrip: boolean;
  /** Looked for in the normalised text (as the token's own content is), not in the text as given. */
  readonly normalized: boolean;
  /** Left out in decoding when special tokens are to be skipped. */
  readonly special: boolean;
}

/** In the order of BERT's own vocabularies. */
export const SPECIAL_TOKENS: readonly string[] = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** The special tokens of BERT, so far as a vocabulary has them. */
export function specialTokensOf(vocabulary: Vocabulary): AddedToken[] {
  return SPECIAL_TOKENS.flatMap((content) => {
    const id = vocabulary.idOf(content);
    const plain = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };
    return id === undefined ? [] : [{ content, id, ...plain }];
  });
}

/** An added token in a text, with the white space it takes along. */
export interface AddedTokenMatch {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

const ENDS_WITH_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
// Unicode's White_Space; `\s` has U+FEFF too and lacks U+0085.
const SPACE_AT_END = /\p{White_Space}*$/u;
const SPACE_AT_START = /^\p{White_Space}*/u;

/** Finds a set of added tokens in text. */
export class AddedTokenMatcher {
  readonly #pattern: RegExp;
  readonly #tokens: ReadonlyMap<string, AddedToken>;

  /** @param tokens each with the text to look for; of two with the same text the later counts */
  constructor(tokens: Iterable<readonly [content: string, token: AddedToken]>) {
    const byContent = new Map(tokens);
    byContent.delete(''); // what normalisation leaves nothing of
    this.#tokens = byContent;
    // Longest first, since of alternatives at one place a regular expression takes the first.
    const contents = [...byContent.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = new RegExp(contents.map(escaped).join('|') || '(?!)', 'g');
  }

  get isEmpty(): boolean {
    return this.#tokens.size === 0;
  }

  /** The tokens in `text`, in order and disjoint. */
  matches(text: string): AddedTokenMatch[] {
    const found: AddedTokenMatch[] = [];
    let covered = 0;
    this.#pattern.lastIndex = 0;
    for (let match = this.#pattern.exec(text); match !== null; match = this.#pattern.exec(text)) {
      const token = this.#tokens.get(match[0])!;
      let start = match.index;
      let end = start + match[0].length;
      const before = text.slice(0, start);
      const after = text.slice(end);
      if (token.singleWord && (ENDS_WITH_WORD.test(before) || STARTS_WITH_WORD.test(after))) continue;
      if (token.lstrip) start = Math.max(before.search(SPACE_AT_END), covered);
      if (token.rstrip) end += SPACE_AT_START.exec(after)![0].length;
      found.push({ id: token.id, start, end });
      covered = end;
    }
    return found;
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
