/**
 * Masked language modelling: which pieces of a sequence are to be predicted, and what stands in their place.
 *
 * `create_masked_lm_predictions` of google-research/bert `create_pretraining_data.py`. The unit that is drawn is a
 * piece, or with whole-word masking a word: a piece and the `##` pieces behind it. The budget counts pieces, and what
 * replaces a piece is drawn for each on its own: [MASK] 80 %, itself 10 %, any of the vocabulary 10 %.
 */
import type { PieceArray } from './example.ts';
import type { Draws } from './pairs.ts';

export interface MaskingOptions {
  readonly vocabularySize: number;
  readonly maskId: number;
  /** 1 for the ids of pieces that continue a word, [vocabularySize]. Without it pieces are masked one by one. */
  readonly continuations?: Uint8Array;
  readonly maskedLmProb: number;
  readonly maxPredictionsPerSeq: number;
}

const MASK_PROBABILITY = 0.8;
/** Of those that do not become [MASK]. */
const KEEP_PROBABILITY = 0.5;

/** `round` of Python: halves go to the even neighbour, so that 0.15 x 30 = 4.5 is 4. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Masks one sequence after the other, in arrays that it keeps. */
export class Masker {
  /** Places of the masked pieces of the last sequence, ascending. */
  readonly positions: Uint16Array;
  /** What stood there. */
  readonly labels: Int32Array;
  readonly #options: MaskingOptions;
  /** Where each word begins: [words]. */
  readonly #words: Uint16Array;
  readonly #isChosen: Uint8Array;

  constructor(options: MaskingOptions, maxSeqLength: number) {
    this.#options = options;
    this.positions = new Uint16Array(options.maxPredictionsPerSeq);
    this.labels = new Int32Array(options.maxPredictionsPerSeq);
    this.#words = new Uint16Array(maxSeqLength);
    this.#isChosen = new Uint8Array(maxSeqLength);
  }

  /** How many pieces of a sequence are to be predicted, special ones counted in its length. */
  quota(length: number): number {
    const { maxPredictionsPerSeq, maskedLmProb } = this.#options;
    return Math.min(maxPredictionsPerSeq, Math.max(1, roundHalfToEven(length * maskedLmProb)));
  }

  /**
   * Masks `[CLS] A [SEP] B [SEP]` in place.
   *
   * @param ids [S]
   * @param secondSegment where B begins
   * @returns how many pieces were masked: the first so many of {@link positions} and {@link labels}
   */
  mask(ids: PieceArray, secondSegment: number, random: Draws): number {
    this.#choose(ids, secondSegment, random);
    return this.#replace(ids, random);
  }

  /**
   * Draws words in a random order. One that would overshoot the quota is passed over; a shorter one may still fit.
   * Of a whole shuffle only the part that is looked at is done.
   */
  #choose(ids: PieceArray, secondSegment: number, random: Draws): void {
    const words = this.#words;
    const isChosen = this.#isChosen.fill(0, 0, ids.length);
    const quota = this.quota(ids.length);
    let chosen = 0;
    for (let left = this.#findWords(ids, secondSegment); left > 0 && chosen < quota; left--) {
      const drawn = random.nextInteger(left);
      const begin = words[drawn]!;
      words[drawn] = words[left - 1]!;
      const end = this.#endOfWord(ids, begin, secondSegment);
      const size = end - begin - (begin < secondSegment && end > secondSegment ? 1 : 0);
      if (chosen + size > quota) continue;
      isChosen.fill(1, begin, end);
      isChosen[secondSegment - 1] = 0;
      chosen += size;
    }
  }

  #findWords(ids: PieceArray, secondSegment: number): number {
    const { continuations } = this.#options;
    let count = 0;
    for (let i = 1; i < ids.length - 1; i++) {
      if (i === secondSegment - 1) continue;
      const continues = count > 0 && continuations !== undefined && continuations[ids[i]!] === 1;
      if (!continues) this.#words[count++] = i;
    }
    return count;
  }

  /**
   * One past the last piece of a word. Where B was cut within a word, its first pieces continue the last word of A, over
   * the [SEP] between, as in the original.
   */
  #endOfWord(ids: PieceArray, begin: number, secondSegment: number): number {
    const { continuations } = this.#options;
    let end = begin + 1;
    if (continuations === undefined) return end;
    while (end < ids.length - 1) {
      const next = end === secondSegment - 1 ? end + 1 : end;
      if (next >= ids.length - 1 || continuations[ids[next]!] !== 1) break;
      end = next + 1;
    }
    return end;
  }

  #replace(ids: PieceArray, random: Draws): number {
    const { maskId, vocabularySize } = this.#options;
    let count = 0;
    for (let i = 1; i < ids.length - 1; i++) {
      if (this.#isChosen[i] === 0) continue;
      this.positions[count] = i;
      this.labels[count++] = ids[i]!;
      if (random.nextFloat() < MASK_PROBABILITY) ids[i] = maskId;
      else if (random.nextFloat() >= KEEP_PROBABILITY) ids[i] = random.nextInteger(vocabularySize);
    }
    return count;
  }
}
