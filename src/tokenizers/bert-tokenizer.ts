/**
 * The tokenizer of BERT: basic tokenizer (cleaning, splitting at white space, punctuation and ideographs) and
 * WordPiece, with the place of every piece in the original text.
 *
 * Ids and offsets equal those of Hugging Face `tokenizers` with `BertNormalizer`, `BertPreTokenizer` and `WordPiece`.
 */
import { badInput } from '../support/errors.ts';
import { AddedTokenMatcher, specialTokensOf } from './added-tokens.ts';
import type { AddedToken } from './added-tokens.ts';
import { joinTokens } from './decoder.ts';
import { EncodingBuffer } from './encoding.ts';
import type { Encoding } from './encoding.ts';
import { normalizerOptions } from './normalizer.ts';
import type { NormalizedText, NormalizerOptions } from './normalizer.ts';
import { SegmentTokenizer } from './segment-tokenizer.ts';
import { readTokenizerJson } from './tokenizer-json.ts';
import { Vocabulary } from './vocabulary.ts';
import { windowsOf } from './windows.ts';
import type { EncodedWindow, WindowOptions } from './windows.ts';
import { WordPiece } from './word-piece.ts';

/** How to normalise (by default as {@link normalizerOptions} has it), and the rest of what a `tokenizer.json` can say. */
export interface BertTokenizerOptions extends Partial<NormalizerOptions> {
  /** Longer words, in code points, are [UNK]. Default 100, as Hugging Face has it; Google's tokenizer has 200. */
  readonly maxInputCharsPerWord?: number;
  /** What marks the pieces that continue a word. Default `##`. */
  readonly continuingSubwordPrefix?: string;
  /** The unknown token. Default `[UNK]`. */
  readonly unkToken?: string;
  /**
   * Tokens recognised in the text; those that the vocabulary lacks join it. Default: `[PAD] [UNK] [CLS] [SEP] [MASK]`,
   * so far as the vocabulary has them.
   */
  readonly addedTokens?: readonly AddedToken[];
}

export interface DecodeOptions {
  /** Leave out special tokens such as [CLS]. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** Take out the space before full stops, commas and English contractions. Default true. */
  readonly cleanup?: boolean;
}

export class BertTokenizer {
  readonly vocabulary: Vocabulary;
  readonly unkId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly addedTokens: readonly AddedToken[];
  readonly #prefix: string;
  readonly #segments: SegmentTokenizer;
  readonly #literalTokens: AddedTokenMatcher;
  readonly #normalizedTokens: AddedTokenMatcher;
  readonly #out = new EncodingBuffer();

  /** @throws BertramError `bad-input` when the vocabulary lacks [UNK], [CLS] or [SEP] */
  constructor(pieces: Vocabulary, options: BertTokenizerOptions = {}, where = 'vocabulary') {
    this.addedTokens = options.addedTokens ?? specialTokensOf(pieces);
    this.vocabulary = pieces.extended(this.addedTokens, where);
    this.unkId = this.vocabulary.require(options.unkToken ?? '[UNK]', where);
    this.clsId = this.vocabulary.require('[CLS]', where);
    this.sepId = this.vocabulary.require('[SEP]', where);
    this.#prefix = options.continuingSubwordPrefix ?? '##';
    const wordPiece = new WordPiece(pieces.entries(), {
      unkId: this.unkId,
      continuingSubwordPrefix: this.#prefix,
      maxInputCharsPerWord: options.maxInputCharsPerWord ?? 100,
    });
    this.#segments = new SegmentTokenizer(wordPiece, normalizerOptions(options));
    const literal = this.addedTokens.filter((token) => !token.normalized);
    const normalized = this.addedTokens.filter((token) => token.normalized);
    this.#literalTokens = new AddedTokenMatcher(literal.map((token) => [token.content, token]));
    this.#normalizedTokens = new AddedTokenMatcher(
      normalized.map((token) => [this.#normalizedContent(token.content), token]),
    );
  }

  /**
   * @param text the contents of a `vocab.txt`
   * @throws BertramError `bad-input` for a malformed vocabulary
   */
  static fromVocab(text: string, options: BertTokenizerOptions = {}, where = 'vocab.txt'): BertTokenizer {
    return new BertTokenizer(Vocabulary.parse(text, where), options, where);
  }

  /**
   * @param json the text of a `tokenizer.json`, or the parsed object
   * @throws BertramError `unsupported` if it describes another tokenizer than BERT's, `bad-input` if it is malformed
   */
  static fromTokenizerJson(json: unknown, where = 'tokenizer.json'): BertTokenizer {
    const { vocabulary, options } = readTokenizerJson(json, where);
    return new BertTokenizer(vocabulary, options, where);
  }

  /** @throws BertramError `bad-input` when the vocabulary has none */
  get padId(): number {
    return this.vocabulary.require('[PAD]');
  }

  /** @throws BertramError `bad-input` when the vocabulary has none */
  get maskId(): number {
    return this.vocabulary.require('[MASK]');
  }

  /**
   * The pieces of a text. No special tokens are added; added and special tokens in the text are recognised.
   * Offsets are in UTF-16 units of `text`, whatever normalisation did to it.
   */
  encode(text: string): Encoding {
    if (typeof text !== 'string') badInput('encode', 'a string', typeof text);
    this.#out.clear();
    let position = 0;
    for (const { id, start, end } of this.#literalTokens.matches(text)) {
      this.#encodeSegment(text, position, start);
      this.#out.push(id, start, end);
      position = end;
    }
    this.#encodeSegment(text, position, text.length);
    return this.#out.take();
  }

  /**
   * The model input for one text or a pair, special tokens added, in as many windows as hold everything.
   * @throws BertramError `bad-input` when `maxLength` leaves no room, or `stride` no step forward
   */
  encodePair(first: string, second?: string, options: WindowOptions = {}): EncodedWindow[] {
    return windowsOf(
      this.encode(first),
      second === undefined ? undefined : this.encode(second),
      { clsId: this.clsId, sepId: this.sepId },
      options,
    );
  }

  /** The token strings of ids. @throws BertramError `bad-input` for an id that no token has */
  tokensOf(ids: ArrayLike<number>): string[] {
    return Array.from(ids, (id) => this.vocabulary.tokenOf(id));
  }

  /** Whether a piece continues a word: `##ing` does. */
  isContinuation(id: number): boolean {
    return this.vocabulary.tokenOf(id).startsWith(this.#prefix);
  }

  /**
   * Text for ids, words separated by single spaces. Not the original text: for that, slice it by offsets.
   * @throws BertramError `bad-input` for an id that no token has
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const { skipSpecialTokens = true, cleanup = true } = options;
    const special = new Set(this.addedTokens.filter((token) => token.special).map((token) => token.id));
    const kept = Array.from(ids).filter((id) => !skipSpecialTokens || !special.has(id));
    return joinTokens(this.tokensOf(kept), this.#prefix, cleanup);
  }

  #encodeSegment(text: string, from: number, to: number): void {
    if (this.#normalizedTokens.isEmpty) this.#segments.tokenize(text, from, to, this.#out);
    else this.#encodeWithNormalizedTokens(this.#segments.normalizer.normalize(text, from, to));
  }

  #encodeWithNormalizedTokens(normalized: NormalizedText): void {
    const { codePoints, starts, ends } = normalized;
    const characters = codePoints.map((codePoint) => String.fromCodePoint(codePoint));
    const indexOfUnit = characters.flatMap((character, i) => new Array<number>(character.length).fill(i));
    indexOfUnit.push(codePoints.length);
    let position = 0;
    for (const match of this.#normalizedTokens.matches(characters.join(''))) {
      const start = indexOfUnit[match.start]!;
      const end = indexOfUnit[match.end]!;
      this.#segments.tokenizeNormalized(normalized, this.#out, position, start);
      this.#out.push(match.id, starts[start]!, ends[end - 1]!);
      position = end;
    }
    this.#segments.tokenizeNormalized(normalized, this.#out, position);
  }

  #normalizedContent(content: string): string {
    const { codePoints } = this.#segments.normalizer.normalize(content, 0, content.length);
    return codePoints.map((codePoint) => String.fromCodePoint(codePoint)).join('');
  }
}
