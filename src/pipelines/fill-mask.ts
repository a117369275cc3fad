/**
 * Filling masks: what stands at each `[MASK]` of a text, as BERT was pretrained to tell (Devlin et al., 2019,
 * section 3.1, task 1).
 *
 *     const fillMask = await FillMask.load({ model });
 *     const [blank] = await fillMask.fill({ text: 'Paris is the [MASK] of France.' });
 *     blank.candidates[0].word; // 'capital'
 *
 * Masks with nothing between them, `[MASK][MASK]`, are the pieces of one word and are filled together; masks with a
 * space between them are words of their own, each filled as if the others stayed masked.
 */
import { bertForMaskedLm, maskedLmPositions } from '../bert/index.ts';
import { badInput, shown } from '../support/errors.ts';
import type { Encoding } from '../tokenizers/index.ts';
import { ModelProgram, type ModelProgramOptions } from './model-program.ts';
import { WordSearch, type MaskCandidate } from './word-search.ts';

export type { MaskCandidate } from './word-search.ts';

export interface FillMaskRequest {
  /** With at least one `[MASK]`. */
  readonly text: string;
  /** How many candidates at most. Default 5. */
  readonly topK?: number;
}

/** One or more masks that are one word. */
export interface FilledBlank {
  /** `text.slice(start, end)` is the mask, or the masks, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** Best first. For more masks than one, the best that a beam search found; fewer if there are no more. */
  readonly candidates: readonly MaskCandidate[];
}

export type FillMaskEvent =
  /** A letter or digit touches the mask, as in `[MASK]ing`: what is beside it is read as a word of its own. */
  { readonly type: 'mask-in-word'; readonly start: number };

export interface FillMaskOptions {
  readonly onEvent?: (event: FillMaskEvent) => void;
}

/** Masks of one word, as pieces and as a stretch of the text. */
interface Blank {
  readonly position: number;
  readonly length: number;
  readonly start: number;
  readonly end: number;
}

const WORD_BEFORE = /[\p{L}\p{N}]$/u;
const WORD_AFTER = /^[\p{L}\p{N}]/u;

export class FillMask {
  readonly #program: ModelProgram<'logits'>;

  private constructor(program: ModelProgram<'logits'>) {
    this.#program = program;
  }

  /** @throws BertramError naming the parameters that the model lacks, if it has no head for it */
  static async load(options: ModelProgramOptions = {}): Promise<FillMask> {
    const program = await ModelProgram.load(
      (parameters, config, inputs, dropout) => ({
        logits: bertForMaskedLm(parameters, config, inputs, maskedLmPositions(), dropout),
      }),
      options,
    );
    return new FillMask(program);
  }

  /**
   * Candidates for each word that is masked, in the order of the text.
   *
   * @throws BertramError `bad-input` for a text without `[MASK]`, or one of more pieces than the model has positions
   */
  async fill(
    { text, topK = 5 }: FillMaskRequest,
    { onEvent }: FillMaskOptions = {},
  ): Promise<readonly FilledBlank[]> {
    if (!Number.isInteger(topK) || topK < 1) badInput('top_k', 'a whole number from 1', shown(topK));
    const { tokenizer, config } = this.#program;
    const encoding = tokenizer.encode(text);
    const blanks = blanksOf(encoding, tokenizer.maskId);
    if (blanks.length === 0) badInput('text', 'a text with [MASK]', shown(text));
    const room = config.maxPositionEmbeddings - 2;
    const { length } = encoding.ids;
    if (length > room) badInput('text', `at most ${room} pieces`, `${length}`);

    const inputIds = Int32Array.of(tokenizer.clsId, ...encoding.ids, tokenizer.sepId);
    const search = new WordSearch(this.#program, topK);
    const filled: FilledBlank[] = [];
    for (const { position, length, start, end } of blanks) {
      if (WORD_BEFORE.test(text.slice(0, start)) || WORD_AFTER.test(text.slice(end))) {
        onEvent?.({ type: 'mask-in-word', start });
      }
      filled.push({ start, end, candidates: await search.fill(inputIds, position + 1, length) });
    }
    return filled;
  }

  /** Frees the engine's memory. */
  async release(): Promise<void> {
    await this.#program.release();
  }
}

/** `A [MASK][MASK], or [MASK].` has two: of two pieces at 1, and of one piece at 5. */
function blanksOf({ ids, starts, ends }: Encoding, maskId: number): Blank[] {
  const blanks: Blank[] = [];
  for (let position = ids.indexOf(maskId); position >= 0; position = ids.indexOf(maskId, position)) {
    let behind = position + 1;
    while (ids[behind] === maskId && starts[behind] === ends[behind - 1]) behind++;
    blanks.push({ position, length: behind - position, start: starts[position]!, end: ends[behind - 1]! });
    position = behind;
  }
  return blanks;
}
