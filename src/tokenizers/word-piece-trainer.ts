/**
 * Learns a WordPiece vocabulary from word counts.
 *
 * As `WordPieceTrainer` of Hugging Face `tokenizers` does it: every word begins as its characters, and again and again
 * the most frequent pair of neighbours becomes a new piece (Sennrich et al. 2016, arXiv:1508.07909), written with `##`
 * inside words. Google never published the trainer of BERT's own vocabularies.
 *
 *     hug x 10, pug x 5, hugs x 5:   h ##u ##g, p ##u ##g, h ##u ##g ##s
 *     ##u ##g is there 20 times      ->  ##ug;   then h ##ug, 15 times  ->  hug;   ...
 *
 * Among pairs that are equally frequent the one of the earlier pieces is taken, so that the same counts always give the
 * same vocabulary.
 */
import { badInput } from '../support/errors.ts';
import { SPECIAL_TOKENS } from './added-tokens.ts';
import { PairCounts, type SpelledWords } from './pair-counts.ts';
import { Vocabulary } from './vocabulary.ts';

export interface TrainerOptions {
  /** Tokens in the finished vocabulary; fewer if the text has not enough to learn. */
  readonly vocabSize: number;
  /** Pairs that are rarer are not joined. Default 2. */
  readonly minFrequency?: number;
  /** Most characters kept; words lose the rarer ones. Default 1000. */
  readonly limitAlphabet?: number;
  /** Tokens that come first. Default `[PAD] [UNK] [CLS] [SEP] [MASK]`. */
  readonly specialTokens?: readonly string[];
  readonly onEvent?: (event: TrainerEvent) => void;
}

export type TrainerEvent =
  /** There are more characters than `limitAlphabet`: the rarer ones are left out. */
  | {
      readonly type: 'alphabet-limited';
      readonly kept: number;
      /** How many characters are left out, and how often those were met. */
      readonly characters: number;
      readonly occurrences: number;
    }
  /** After each new piece. */
  | { readonly type: 'progress'; readonly tokens: number; readonly vocabSize: number }
  /** Nothing more to learn: no pair of neighbours is as frequent as `minFrequency`. */
  | { readonly type: 'exhausted'; readonly tokens: number; readonly vocabSize: number };

const PREFIX = '##';

/**
 * `[PAD]`, then `[unused1]`, `[unused2]`..., then the other special tokens: with 99 of them the ids are those of BERT's
 * cased vocabulary, [UNK] 100 and [MASK] 103. A user may give unused tokens a meaning without training another vocabulary.
 */
export function bertSpecialTokens(unused = 0): readonly string[] {
  const [pad, ...others] = SPECIAL_TOKENS as [string, ...string[]];
  return [pad, ...Array.from({ length: unused }, (_, i) => `[unused${i + 1}]`), ...others];
}

/**
 * @param counts how often each word occurs
 * @throws BertramError `bad-input` when `vocabSize` does not even hold the special tokens and the characters
 */
export function trainWordPiece(counts: ReadonlyMap<string, number>, options: TrainerOptions): Vocabulary {
  const { vocabSize, minFrequency = 2, limitAlphabet = 1000, specialTokens = SPECIAL_TOKENS } = options;
  const idOf = new Map<string, number>();
  const pieces: string[] = [];
  const add = (piece: string): number => {
    const known = idOf.get(piece);
    if (known !== undefined) return known;
    idOf.set(piece, pieces.length);
    return pieces.push(piece) - 1;
  };
  specialTokens.forEach(add);
  const { alphabet, lost } = alphabetOf(counts, limitAlphabet);
  const words = spelled(counts, alphabet, add);
  if (pieces.length > vocabSize) {
    badInput('vocab_size', `at least ${pieces.length}, for special tokens and characters`, String(vocabSize));
  }
  if (lost.characters > 0) options.onEvent?.({ type: 'alphabet-limited', kept: alphabet.length, ...lost });

  const pairs = new PairCounts(words);
  while (pieces.length < vocabSize) {
    const pair = pairs.mostFrequent();
    if (pair === undefined || pair.count < minFrequency) {
      options.onEvent?.({ type: 'exhausted', tokens: pieces.length, vocabSize });
      break;
    }
    const { left, right } = pair;
    pairs.join(left, right, add(pieces[left]! + pieces[right]!.slice(PREFIX.length)));
    options.onEvent?.({ type: 'progress', tokens: pieces.length, vocabSize });
  }
  return new Vocabulary(idOf);
}

/** The most frequent characters, as code points in ascending order; and what is lost with the others. */
function alphabetOf(counts: ReadonlyMap<string, number>, limit: number) {
  const frequency = new Map<number, number>();
  for (const [word, count] of counts) {
    for (const character of word) {
      const codePoint = character.codePointAt(0)!;
      frequency.set(codePoint, (frequency.get(codePoint) ?? 0) + count);
    }
  }
  const kept = [...frequency].sort(([a, m], [b, n]) => n - m || a - b);
  const rarer = kept.splice(limit);
  return {
    alphabet: kept.map(([codePoint]) => codePoint).sort((a, b) => a - b),
    lost: { characters: rarer.length, occurrences: rarer.reduce((sum, [, count]) => sum + count, 0) },
  };
}

/**
 * Words as their characters, so far as those are in the alphabet. First all of the alphabet becomes pieces, in its
 * order, then `##` and each character that stands inside a word. Words of a single character have no pairs and go.
 */
function spelled(
  counts: ReadonlyMap<string, number>,
  alphabet: readonly number[],
  add: (piece: string) => number,
): SpelledWords {
  const kept = new Set(alphabet);
  const inside = new Set<number>();
  let size = 0;
  let words = 0;
  for (const word of counts.keys()) {
    const characters = codePointsOf(word, kept);
    characters.slice(1).forEach((codePoint) => inside.add(codePoint));
    if (characters.length < 2) continue;
    size += characters.length;
    words++;
  }
  const idsOf = (prefix: string, codePoints: readonly number[]): Map<number, number> =>
    new Map(codePoints.map((codePoint) => [codePoint, add(prefix + String.fromCodePoint(codePoint))]));
  const initial = idsOf('', alphabet);
  const continuing = idsOf(
    PREFIX,
    alphabet.filter((codePoint) => inside.has(codePoint)),
  );

  const symbols = new Int32Array(size);
  const begins = new Int32Array(words + 1);
  const wordCounts = new Float64Array(words);
  let at = 0;
  let number = 0;
  for (const [word, count] of counts) {
    const characters = codePointsOf(word, kept);
    if (characters.length < 2) continue;
    characters.forEach((codePoint, i) => {
      symbols[at++] = (i === 0 ? initial : continuing).get(codePoint)!;
    });
    wordCounts[number++] = count;
    begins[number] = at;
  }
  return { symbols, begins, counts: wordCounts };
}

function codePointsOf(word: string, kept: ReadonlySet<number>): number[] {
  const codePoints: number[] = [];
  for (const character of word) {
    const codePoint = character.codePointAt(0)!;
    if (kept.has(codePoint)) codePoints.push(codePoint);
  }
  return codePoints;
}
