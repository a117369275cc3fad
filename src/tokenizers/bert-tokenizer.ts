/**
 * The tokenizer of BERT: basic tokenizer (cleaning, splitting at white space, punctuation and ideographs) and
 * WordPiece, with the place of every piece in the original text.
 *
 * Ids and offsets equal those of Hugging Face `tokenizers` with `BertNormalizer`, `BertPreTokenizer` and `WordPiece`.
 */
import { badInput } from '../support/errors.ts';
import { AddedTokenMatcher } from './added-tokens.ts';
import type { AddedToken } from './added-tokens.ts';
import { joinTokens } from './decoder.ts';
import { EncodingBuffer } from './encoding.ts';
import type { Encoding } from './encoding.ts';
import { Normalizer } from './normalizer.ts';
import type { NormalizedText } from './normalizer.ts';
import { IRREGULAR, buildSymbolTable, symbolOf } from './symbol-table.ts';
import { readTokenizerJson } from './tokenizer-json.ts';
import { Vocabulary } from './vocabulary.ts';
import { windowsOf } from './windows.ts';
import type { EncodedWindow, WindowOptions } from './windows.ts';
import { SPACE_SYMBOL, WordPiece } from './word-piece.ts';

export interface BertTokenizerOptions {
  /** Lower-case the text: true for the uncased models. Default false. */
  readonly lowercase?: boolean;
  /** Remove accents. Default: as `lowercase`. */
  readonly stripAccents?: boolean;
  /** Make every CJK ideograph a word. Default true. */
  readonly handleChineseChars?: boolean;
  /** Remove control characters and turn all white space into spaces. Default true. */
  readonly cleanText?: boolean;
  /** Longer words, in code points, are [UNK]. Default 100, as Hugging Face has it; Google's tokenizer has 200. */
  readonly maxInputCharsPerWord?: number;
  /** What marks the pieces that continue a word. Default `##`. */
  readonly continuingSubwordPrefix?: string;
  /** The unknown token. Default `[UNK]`. */
  readonly unkToken?: string;
  /** Tokens recognised in the text; those that the vocabulary lacks join it. Default: `[PAD] [UNK] [CLS] [SEP] [MASK]`, so far as the vocabulary has them. */
  readonly addedTokens?: readonly AddedToken[];
}

export interface DecodeOptions {
  /** Leave out special tokens such as [CLS]. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** Take out the space before full stops, commas and English contractions. Default true. */
  readonly cleanup?: boolean;
}

const SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** UTF-16 units that are looked at together: enough to be fast, few enough to stay in the processor's cache. */
const BLOCK = 4096;

export class BertTokenizer {
  readonly vocabulary: Vocabulary;
  readonly unkId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly addedTokens: readonly AddedToken[];
  readonly #prefix: string;
  readonly #normalizer: Normalizer;
  readonly #wordPiece: WordPiece;
  readonly #symbolTable: Int32Array;
  readonly #literalTokens: AddedTokenMatcher;
  readonly #normalizedTokens: AddedTokenMatcher;
  readonly #out = new EncodingBuffer();
  #symbols = new Int32Array(BLOCK);

  /** @throws BertramError `bad-input` when the vocabulary lacks [UNK], [CLS] or [SEP] */
  constructor(pieces: Vocabulary, options: BertTokenizerOptions = {}, where = 'vocabulary') {
    const lowercase = options.lowercase ?? false;
    this.addedTokens = options.addedTokens ?? specialTokens(pieces);
    this.vocabulary = withTokens(pieces, this.addedTokens, where);
    this.unkId = this.vocabulary.require(options.unkToken ?? '[UNK]', where);
    this.clsId = this.vocabulary.require('[CLS]', where);
    this.sepId = this.vocabulary.require('[SEP]', where);
    this.#prefix = options.continuingSubwordPrefix ?? '##';
    this.#normalizer = new Normalizer({
      cleanText: options.cleanText ?? true,
      handleChineseChars: options.handleChineseChars ?? true,
      stripAccents: options.stripAccents ?? lowercase,
      lowercase,
    });
    this.#wordPiece = new WordPiece(pieces.entries(), {
      unkId: this.unkId,
      continuingSubwordPrefix: this.#prefix,
      maxInputCharsPerWord: options.maxInputCharsPerWord ?? 100,
    });
    this.#symbolTable = buildSymbolTable(this.#wordPiece.alphabet, this.#normalizer.options);
    this.#literalTokens = new AddedTokenMatcher(
      new Map(this.addedTokens.filter((token) => !token.normalized).map((token) => [token.content, token])),
    );
    this.#normalizedTokens = new AddedTokenMatcher(
      new Map(
        this.addedTokens
          .filter((token) => token.normalized)
          .map((token) => [this.#normalizedContent(token.content), token]),
      ),
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
    if (this.#normalizedTokens.isEmpty) this.#encodeBlocks(text, from, to);
    else if (from < to) this.#encodeWithNormalizedTokens(this.#normalizer.normalize(text, from, to));
  }

  /** Tokenizes block after block, each ending behind white space; irregular runs take the general path. */
  #encodeBlocks(text: string, from: number, to: number): void {
    const table = this.#symbolTable;
    let size = BLOCK;
    for (let start = from; start < to;) {
      const limit = Math.min(start + size, to);
      const symbols = this.#symbolBuffer(limit - start);
      let position = start;
      let spaceBefore = start;
      let symbol = SPACE_SYMBOL;
      for (; position < limit; position++) {
        symbol = table[text.charCodeAt(position)]!;
        if (symbol === IRREGULAR) break;
        if (symbol === SPACE_SYMBOL) spaceBefore = position;
        symbols[position - start] = symbol;
      }
      if (symbol === IRREGULAR) {
        this.#wordPiece.tokenize(symbols, 0, spaceBefore - start, start, this.#out);
        const end = this.#nextSpace(text, position, to);
        this.#encodeNormalized(this.#normalizer.normalize(text, spaceBefore, end));
        start = end;
      } else if (position === to || spaceBefore > start) {
        const end = position === to ? to : spaceBefore;
        this.#wordPiece.tokenize(symbols, 0, end - start, start, this.#out);
        start = end;
        size = BLOCK;
      } else {
        size *= 2; // a word longer than the block
      }
    }
  }

  #nextSpace(text: string, from: number, to: number): number {
    let position = from;
    while (position < to && this.#symbolTable[text.charCodeAt(position)] !== SPACE_SYMBOL) position++;
    return position;
  }

  #encodeNormalized(normalized: NormalizedText, from = 0, to = normalized.codePoints.length): void {
    const { codePoints, starts, ends } = normalized;
    const symbols = this.#symbolBuffer(to - from);
    for (let i = from; i < to; i++) symbols[i - from] = symbolOf(codePoints[i]!, this.#wordPiece.alphabet);
    const out = this.#out;
    const first = out.length;
    this.#wordPiece.tokenize(symbols, 0, to - from, from, out);
    // The offsets so far count normalised code points.
    for (let i = first; i < out.length; i++) {
      out.starts[i] = starts[out.starts[i]!]!;
      out.ends[i] = ends[out.ends[i]! - 1]!;
    }
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
      this.#encodeNormalized(normalized, position, start);
      this.#out.push(match.id, starts[start]!, ends[end - 1]!);
      position = end;
    }
    this.#encodeNormalized(normalized, position);
  }

  #normalizedContent(content: string): string {
    const { codePoints } = this.#normalizer.normalize(content, 0, content.length);
    return codePoints.map((codePoint) => String.fromCodePoint(codePoint)).join('');
  }

  #symbolBuffer(length: number): Int32Array {
    if (this.#symbols.length < length) this.#symbols = new Int32Array(length);
    return this.#symbols;
  }
}

function specialTokens(vocabulary: Vocabulary): AddedToken[] {
  return SPECIAL_TOKENS.flatMap((content) => {
    const id = vocabulary.idOf(content);
    const plain = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };
    return id === undefined ? [] : [{ content, id, ...plain }];
  });
}

/** The vocabulary with the added tokens that it lacks. */
function withTokens(pieces: Vocabulary, tokens: readonly AddedToken[], where: string): Vocabulary {
  const idOf = new Map(pieces.entries());
  for (const { content, id } of tokens) {
    const known = idOf.get(content);
    if (known !== undefined && known !== id) {
      badInput(`${where} added token ${content}`, `id ${known}, which it has in the vocabulary`, String(id));
    }
    idOf.set(content, id);
  }
  return idOf.size === pieces.count ? pieces : new Vocabulary(idOf, where);
}
