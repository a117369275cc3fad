/**
 * The most probable fillings of a mask, or of several that are one word.
 *
 * A single mask is any token of the vocabulary, with the probability that the model gives it. Several are filled from
 * the left by beam search, running the model again with what is filled so far:
 *
 *     P(un ##aff ##able) = P(un | [MASK] [MASK] [MASK]) P(##aff | un [MASK] [MASK]) P(##able | un ##aff [MASK])
 *
 * Only words count that the tokenizer cuts into just these pieces: `una ##ff` is no candidate where it would say
 * `un ##aff`. Since it takes the longest piece from the left, a beginning that it cuts otherwise never becomes one.
 */
import { padSequences } from '../bert/padding.ts';
import { badInput } from '../support/errors.ts';
import { softmax, type ModelProgram } from './model-program.ts';

export interface MaskCandidate {
  /** As in the vocabulary: with `##` where it continues a word. One for each mask. */
  readonly tokens: readonly string[];
  readonly ids: readonly number[];
  /** The tokens as text. */
  readonly word: string;
  /** The product of the tokens' probabilities. */
  readonly score: number;
}

/** What is filled so far, with its probability. */
interface Beginning {
  readonly ids: readonly number[];
  readonly score: number;
}

/** Beginnings kept, for each candidate that is wanted: the best word need not begin with the best piece. */
const BEAMS_PER_CANDIDATE = 2;
const FEWEST_BEAMS = 16;
/** Sequences that run together. */
const BATCH_SIZE = 32;

export class WordSearch {
  readonly #program: ModelProgram<'logits'>;
  readonly #topK: number;
  readonly #beams: number;
  /** Tokens that can begin a word of several pieces, and that can continue it. */
  readonly #initial: readonly number[];
  readonly #continuing: readonly number[];

  constructor(program: ModelProgram<'logits'>, topK: number) {
    this.#program = program;
    this.#topK = topK;
    this.#beams = Math.max(FEWEST_BEAMS, BEAMS_PER_CANDIDATE * topK);
    const { tokenizer } = program;
    const special = new Set(tokenizer.addedTokens.map(({ id }) => id));
    const ids = Array.from(tokenizer.vocabulary.entries(), ([, id]) => id).filter((id) => !special.has(id));
    this.#initial = ids.filter((id) => !tokenizer.isContinuation(id));
    this.#continuing = ids.filter((id) => tokenizer.isContinuation(id));
  }

  /**
   * Candidates for the masks from `position` on, best first.
   *
   * @param inputIds [S], special tokens included
   * @param length how many masks there are
   */
  async fill(inputIds: Int32Array, position: number, length: number): Promise<MaskCandidate[]> {
    if (length === 1) return this.#fillOne(inputIds, position);
    if (this.#continuing.length === 0) {
      badInput(
        'text',
        '[MASK] alone, since the vocabulary has no pieces that continue a word',
        `${length} in a row`,
      );
    }
    let beginnings: Beginning[] = [{ ids: [], score: 1 }];
    for (let filled = 0; filled < length; filled++) {
      const probabilities = await this.#probabilities(inputIds, position, beginnings);
      beginnings = beginnings
        .flatMap((beginning, row) => this.#continuations(beginning, probabilities[row]!))
        .sort((a, b) => b.score - a.score)
        .slice(0, this.#beams);
    }
    return beginnings.slice(0, this.#topK).map((beginning) => this.#candidate(beginning));
  }

  async #fillOne(inputIds: Int32Array, position: number): Promise<MaskCandidate[]> {
    const [probabilities] = await this.#probabilities(inputIds, position, [{ ids: [], score: 1 }]);
    const all = Array.from(this.#program.tokenizer.vocabulary.entries(), ([, id]) => id);
    return mostProbable(all, probabilities!)
      .slice(0, this.#topK)
      .map((id) => this.#candidate({ ids: [id], score: probabilities![id]! }));
  }

  /** The best of a beginning's continuations by one more token that the tokenizer would make too. */
  #continuations({ ids, score }: Beginning, probabilities: Float64Array): Beginning[] {
    const found: Beginning[] = [];
    for (const id of mostProbable(ids.length === 0 ? this.#initial : this.#continuing, probabilities)) {
      const longer = [...ids, id];
      if (!this.#isCutLikeThis(longer)) continue;
      found.push({ ids: longer, score: score * probabilities[id]! });
      if (found.length === this.#beams) break;
    }
    return found;
  }

  #isCutLikeThis(ids: readonly number[]): boolean {
    const encoded = this.#program.tokenizer.encode(this.#wordOf(ids)).ids;
    return encoded.length === ids.length && ids.every((id, i) => encoded[i] === id);
  }

  /** For each beginning the probabilities of all tokens at the place behind it: each [V]. */
  async #probabilities(
    inputIds: Int32Array,
    position: number,
    beginnings: readonly Beginning[],
  ): Promise<Float64Array[]> {
    const probabilities: Float64Array[] = [];
    for (let begin = 0; begin < beginnings.length; begin += BATCH_SIZE) {
      const batch = beginnings.slice(begin, begin + BATCH_SIZE);
      probabilities.push(...(await this.#probabilitiesOfBatch(inputIds, position, batch)));
    }
    return probabilities;
  }

  async #probabilitiesOfBatch(
    inputIds: Int32Array,
    position: number,
    beginnings: readonly Beginning[],
  ): Promise<Float64Array[]> {
    const { padTokenId, vocabSize } = this.#program.config;
    const sequences = beginnings.map(({ ids }) => {
      const filled = Int32Array.from(inputIds);
      filled.set(ids, position);
      return { inputIds: filled, tokenTypeIds: new Uint8Array(filled.length) };
    });
    const places = beginnings.map(({ ids }, row) => row * inputIds.length + position + ids.length);
    const { logits } = await this.#program.run({
      ...padSequences(sequences, padTokenId),
      masked_lm_positions: { data: Int32Array.from(places), shape: [places.length] },
    });
    return places.map((_, row) => softmax(logits.subarray(row * vocabSize, (row + 1) * vocabSize)));
  }

  #candidate({ ids, score }: Beginning): MaskCandidate {
    return { tokens: this.#program.tokenizer.tokensOf(ids), ids, word: this.#wordOf(ids), score };
  }

  #wordOf(ids: readonly number[]): string {
    return this.#program.tokenizer.decode(ids, { skipSpecialTokens: false, cleanup: false });
  }
}

/** Ids by falling probability; of equal ones the lower first. */
function mostProbable(ids: readonly number[], probabilities: Float64Array): number[] {
  return [...ids].sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
}
