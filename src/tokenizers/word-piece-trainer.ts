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
import { BasicTokenizer } from './basic-tokenizer.ts';
import type { NormalizerOptions } from './normalizer.ts';
import { PairHeap, pairKey, pairOf } from './pair-heap.ts';
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
}

const PREFIX = '##';

/** Counts the words of a corpus, given in stretches that end at white space. */
export class WordCounter {
  readonly #tokenizer: BasicTokenizer;
  /** Normalisation never looks across white space, so each distinct run is normalised once, when all are counted. */
  readonly #runs = new Map<string, number>();

  constructor(options: Partial<NormalizerOptions> = {}) {
    this.#tokenizer = new BasicTokenizer(options);
  }

  add(text: string): void {
    for (const run of text.split(/[ \t\n\r]+/)) {
      if (run !== '') this.#runs.set(run, (this.#runs.get(run) ?? 0) + 1);
    }
  }

  /** How often each normalised word was met. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [run, count] of this.#runs) {
      for (const { text } of this.#tokenizer.words(run)) counts.set(text, (counts.get(text) ?? 0) + count);
    }
    return counts;
  }
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
  const words = spelled(counts, limitAlphabet, add);
  if (pieces.length > vocabSize) {
    badInput('vocabSize', `at least ${pieces.length}, for special tokens and characters`, String(vocabSize));
  }

  const pairs = new PairCounts(words);
  while (pieces.length < vocabSize) {
    const pair = pairs.mostFrequent();
    if (pair === undefined || pair.count < minFrequency) break;
    const { left, right } = pair;
    pairs.join(left, right, add(pieces[left]! + pieces[right]!.slice(PREFIX.length)));
  }
  return new Vocabulary(idOf);
}

interface SpelledWord {
  /** Piece ids. */
  symbols: number[];
  readonly count: number;
}

/** Words as characters, numbered in order: the kept characters, then those that stand inside words. */
function spelled(
  counts: ReadonlyMap<string, number>,
  limitAlphabet: number,
  add: (piece: string) => number,
): SpelledWord[] {
  const frequency = new Map<string, number>();
  const inside = new Set<string>();
  const split = Array.from(counts, ([word, count]) => ({ characters: Array.from(word), count }));
  for (const { characters, count } of split) {
    characters.forEach((character) => frequency.set(character, (frequency.get(character) ?? 0) + count));
  }
  const byCodePoint = (a: string, b: string) => a.codePointAt(0)! - b.codePointAt(0)!;
  const alphabet = [...frequency.keys()]
    .sort((a, b) => frequency.get(b)! - frequency.get(a)! || byCodePoint(a, b))
    .slice(0, limitAlphabet)
    .sort(byCodePoint);
  const kept = new Set(alphabet);
  for (const word of split) {
    word.characters = word.characters.filter((character) => kept.has(character));
    word.characters.slice(1).forEach((character) => inside.add(character));
  }
  alphabet.forEach(add);
  alphabet.filter((character) => inside.has(character)).forEach((character) => add(PREFIX + character));
  return split.map(({ characters, count }) => ({
    symbols: characters.map((character, i) => add(i === 0 ? character : PREFIX + character)),
    count,
  }));
}

/** How often which two pieces are neighbours, kept up to date while pairs are joined. */
class PairCounts {
  readonly #words: readonly SpelledWord[];
  readonly #counts = new Map<number, number>();
  /** Words that hold a pair, or once did. */
  readonly #wordsWith = new Map<number, Set<number>>();
  readonly #heap = new PairHeap();

  constructor(words: readonly SpelledWord[]) {
    this.#words = words;
    words.forEach(({ symbols, count }, word) => {
      for (let i = 1; i < symbols.length; i++) this.#change(symbols[i - 1]!, symbols[i]!, count, word);
    });
    for (const [key, count] of this.#counts) this.#heap.push(key, count);
  }

  /** The most frequent pair; of several the one of the lowest ids. */
  mostFrequent(): { left: number; right: number; count: number } | undefined {
    for (let top = this.#heap.pop(); top !== undefined; top = this.#heap.pop()) {
      const count = this.#counts.get(top.key) ?? 0;
      if (count === top.count) return { ...pairOf(top.key), count };
      if (count > 0) this.#heap.push(top.key, count); // it has become rarer since
    }
    return undefined;
  }

  /** Replaces a pair by one piece in every word. */
  join(left: number, right: number, joined: number): void {
    const key = pairKey(left, right);
    const risen = new Set<number>();
    for (const word of this.#wordsWith.get(key) ?? []) {
      const { symbols, count } = this.#words[word]!;
      const result: number[] = [];
      for (let i = 0; i < symbols.length; i++) {
        if (symbols[i] !== left || symbols[i + 1] !== right) {
          result.push(symbols[i]!);
          continue;
        }
        const before = result.at(-1);
        if (before !== undefined) {
          this.#change(before, left, -count, word);
          risen.add(this.#change(before, joined, count, word));
        }
        const behind = symbols[i + 2];
        if (behind !== undefined) {
          this.#change(right, behind, -count, word);
          risen.add(this.#change(joined, behind, count, word));
        }
        result.push(joined);
        i++;
      }
      this.#words[word]!.symbols = result;
    }
    this.#counts.delete(key);
    this.#wordsWith.delete(key);
    for (const pair of risen) {
      const count = this.#counts.get(pair) ?? 0;
      if (count > 0) this.#heap.push(pair, count);
    }
  }

  #change(left: number, right: number, by: number, word: number): number {
    const key = pairKey(left, right);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
    if (by > 0) {
      const words = this.#wordsWith.get(key);
      if (words === undefined) this.#wordsWith.set(key, new Set([word]));
      else words.add(word);
    }
    return key;
  }
}
