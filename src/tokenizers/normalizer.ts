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
  readonly lowercase: boolean;
}

/**
 * Normalised text as code points; `starts[i]` to `ends[i]` are the UTF-16 units of the original that the i-th stands
 * for. A character that became several (`İ` to `i` and U+0307) gives each of them the whole of itself.
 */
export interface NormalizedText {
  codePoints: number[];
  starts: number[];
  ends: number[];
}

const SPACE = 0x20;
const REPLACEMENT_CHARACTER = 0xfffd;

/** The normalised form of `text.slice(from, to)`; offsets are those in `text`. A lone surrogate counts as U+FFFD. */
export function normalize(
  text: string,
  from: number,
  to: number,
  options: NormalizerOptions,
): NormalizedText {
  const cleaned = clean(text, from, to, options);
  const stripped = options.stripAccents ? stripAccents(cleaned) : cleaned;
  return options.lowercase ? lowercase(stripped) : stripped;
}

function emptyText(): NormalizedText {
  return { codePoints: [], starts: [], ends: [] };
}

function append(target: NormalizedText, codePoint: number, start: number, end: number): void {
  target.codePoints.push(codePoint);
  target.starts.push(start);
  target.ends.push(end);
}

/** Decodes, drops control characters, maps white space to spaces and sets ideographs apart. */
function clean(text: string, from: number, to: number, options: NormalizerOptions): NormalizedText {
  const result = emptyText();
  for (let start = from, end: number; start < to; start = end) {
    let codePoint = text.codePointAt(start)!;
    end = start + (codePoint > 0xffff ? 2 : 1);
    if (codePoint >= 0xd800 && codePoint < 0xe000) codePoint = REPLACEMENT_CHARACTER;
    const traits = traitsOf[codePoint]!;
    if (options.cleanText) {
      if ((traits & TRAIT_DROPPED) !== 0) continue;
      if ((traits & TRAIT_WHITESPACE) !== 0) codePoint = SPACE;
    }
    if (options.handleChineseChars && (traits & TRAIT_CHINESE) !== 0) {
      append(result, SPACE, start, end);
      append(result, codePoint, start, end);
      append(result, SPACE, start, end);
    } else {
      append(result, codePoint, start, end);
    }
  }
  return result;
}

/**
 * NFD, then removal of nonspacing marks.
 *
 * Canonical ordering sorts the marks after a letter by class, and `tokenizers` hands out alignments after sorting:
 * the first part of a decomposition takes the next original character, a later part shares that of the one before
 * it. So in `é` + U+0316 the letter keeps `é`, U+0316 (lower class, now second) takes its own place, and U+0301, now
 * third, shares it. It shows only for the marks that are not stripped, such as Indic viramas of category Mc.
 */
function stripAccents(text: NormalizedText): NormalizedText {
  const parts = text.codePoints.flatMap((original) =>
    decompositionOf(original).map((codePoint, i) => ({
      codePoint,
      rank: combiningRank(codePoint),
      isFirst: i === 0,
    })),
  );
  for (let from = 0, to: number; from < parts.length; from = to + 1) {
    for (to = from; to < parts.length && parts[to]!.rank > 0;) to++;
    if (to - from > 1) {
      const marks = parts.slice(from, to).sort((a, b) => a.rank - b.rank);
      for (let i = from; i < to; i++) parts[i] = marks[i - from]!;
    }
  }
  const result = emptyText();
  let position = -1;
  for (const { codePoint, isFirst } of parts) {
    if (isFirst) position++;
    if ((traitsOf[codePoint]! & TRAIT_NONSPACING_MARK) !== 0) continue;
    append(result, codePoint, text.starts[position]!, text.ends[position]!);
  }
  return result;
}

function lowercase(text: NormalizedText): NormalizedText {
  const result = emptyText();
  text.codePoints.forEach((codePoint, i) => {
    const start = text.starts[i]!;
    const end = text.ends[i]!;
    if (codePoint === CAPITAL_I_WITH_DOT) {
      append(result, 0x69, start, end);
      append(result, 0x307, start, end);
    } else {
      append(result, lowercaseOf(codePoint), start, end);
    }
  });
  return result;
}
