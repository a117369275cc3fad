/**
 * BERT's text normalisation with the place of every character in the original kept: cleaning, spaces around CJK
 * ideographs, accent stripping, lower-casing.
 *
 * Equal to `BertNormalizer` of Hugging Face `tokenizers`, alignments included (`normalizer.rs`). This is the general
 * path, code point by code point; text that maps one to one never gets here (see `symbol-table.ts`).
 */
import {
  CAPITAL_I_WITH_DOT,
  TRAIT_CHINESE,
  TRAIT_COMBINING,
  TRAIT_DECOMPOSED,
  TRAIT_DROPPED,
  TRAIT_NONSPACING_MARK,
  TRAIT_WHITESPACE,
  combiningRank,
  decompositionOf,
  lowercaseOf,
  traitsOf,
} from './character-classes.ts';

/** The four switches of `BertNormalizer`. */
export interface NormalizerOptions {
  /** Remove control characters and turn all white space into spaces. */
  readonly cleanText: boolean;
  /** Put spaces around CJK ideographs. */
  readonly handleChineseChars: boolean;
  /** Decompose (NFD) and remove nonspacing marks. */
  readonly stripAccents: boolean;
  /** For the uncased models. */
  readonly lowercase: boolean;
}

/** Fills in BERT's defaults: nothing lower-cased, accents stripped where it is, the other two true. */
export function normalizerOptions(options: Partial<NormalizerOptions>): NormalizerOptions {
  const {
    cleanText = true,
    handleChineseChars = true,
    lowercase = false,
    stripAccents = lowercase,
  } = options;
  return { cleanText, handleChineseChars, stripAccents, lowercase };
}

/**
 * Normalised text as code points; `starts[i]` to `ends[i]` are the UTF-16 units of the original that the i-th stands
 * for. A character that became several (`İ` to `i` and U+0307) gives each of them the whole of itself.
 */
export interface NormalizedText {
  readonly codePoints: readonly number[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** A mark that waits for canonical ordering. */
interface PendingMark {
  readonly codePoint: number;
  readonly rank: number;
  /** Whether it is the first part of the decomposition of an original character. */
  readonly isFirst: boolean;
}

const SPACE = 0x20;
const REPLACEMENT_CHARACTER = 0xfffd;
/** What NFD may move or change, or accent stripping removes. */
const NEEDS_ORDERING = TRAIT_DECOMPOSED | TRAIT_COMBINING | TRAIT_NONSPACING_MARK;

export class Normalizer {
  readonly options: NormalizerOptions;
  #codePoints: number[] = [];
  #starts: number[] = [];
  #ends: number[] = [];
  /** Of a run of marks, and the starter before it if that was decomposed: the parts... */
  readonly #marks: PendingMark[] = [];
  /** ...and the places of the original characters, as start, end, start, end... */
  readonly #origins: number[] = [];
  /** The original character of the part last appended. */
  #start = 0;
  #end = 0;

  constructor(options: NormalizerOptions) {
    this.options = options;
  }

  /** The normalised form of `text.slice(from, to)`; offsets are those in `text`. A lone surrogate counts as U+FFFD. */
  normalize(text: string, from: number, to: number): NormalizedText {
    const { cleanText, handleChineseChars } = this.options;
    this.#codePoints = [];
    this.#starts = [];
    this.#ends = [];
    for (let start = from, end: number; start < to; start = end) {
      let codePoint = text.codePointAt(start)!;
      end = start + (codePoint > 0xffff ? 2 : 1);
      if (codePoint >= 0xd800 && codePoint < 0xe000) codePoint = REPLACEMENT_CHARACTER;
      const traits = traitsOf[codePoint]!;
      if (cleanText) {
        if ((traits & TRAIT_DROPPED) !== 0) continue;
        if ((traits & TRAIT_WHITESPACE) !== 0) codePoint = SPACE;
      }
      if (handleChineseChars && (traits & TRAIT_CHINESE) !== 0) {
        this.#decompose(SPACE, start, end);
        this.#decompose(codePoint, start, end);
        this.#decompose(SPACE, start, end);
      } else {
        this.#decompose(codePoint, start, end);
      }
    }
    this.#flushMarks();
    return { codePoints: this.#codePoints, starts: this.#starts, ends: this.#ends };
  }

  #decompose(codePoint: number, start: number, end: number): void {
    const traits = traitsOf[codePoint]!;
    if (!this.options.stripAccents || (traits & NEEDS_ORDERING) === 0) {
      this.#flushMarks();
      this.#append(codePoint, start, end);
      return;
    }
    const parts = (traits & TRAIT_DECOMPOSED) === 0 ? [codePoint] : decompositionOf(codePoint);
    parts.forEach((part, i) => {
      const rank = combiningRank(part);
      if (rank === 0) this.#flushMarks();
      if (i === 0) this.#origins.push(start, end);
      this.#marks.push({ codePoint: part, rank, isFirst: i === 0 });
    });
  }

  /**
   * Canonical ordering, then removal of nonspacing marks.
   *
   * Ordering sorts the marks after a letter by class, and `tokenizers` hands out alignments after sorting: the first
   * part of a decomposition takes the next original character, a later part shares that of the one before it. So in
   * `é` + U+0316 the letter keeps `é`, U+0316 (lower class, now second) takes its own place, and U+0301, now third,
   * shares it. It shows only for the marks that are not stripped, such as Indic viramas of category Mc.
   */
  #flushMarks(): void {
    const marks = this.#marks;
    if (marks.length === 0) return;
    if (marks.length > 1) marks.sort((a, b) => a.rank - b.rank);
    let next = 0;
    for (const { codePoint, isFirst } of marks) {
      if (isFirst) {
        this.#start = this.#origins[next++]!;
        this.#end = this.#origins[next++]!;
      }
      if ((traitsOf[codePoint]! & TRAIT_NONSPACING_MARK) === 0)
        this.#append(codePoint, this.#start, this.#end);
    }
    marks.length = 0;
    this.#origins.length = 0;
  }

  #append(codePoint: number, start: number, end: number): void {
    if (this.options.lowercase && codePoint === CAPITAL_I_WITH_DOT) {
      this.#push(0x69, start, end);
      this.#push(0x307, start, end);
    } else {
      this.#push(this.options.lowercase ? lowercaseOf(codePoint) : codePoint, start, end);
    }
  }

  #push(codePoint: number, start: number, end: number): void {
    this.#codePoints.push(codePoint);
    this.#starts.push(start);
    this.#ends.push(end);
  }
}
