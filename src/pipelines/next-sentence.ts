/**
 * Next-sentence prediction: how likely a text follows another, as BERT was pretrained to tell (Devlin et al., 2019,
 * section 3.1, task 2).
 *
 *     const nextSentence = await NextSentence.load({ model });
 *     const { isNext } = await nextSentence.score({ first: 'It rained.', second: 'So we stayed in.' });
 */
import { bertForNextSentencePrediction } from '../bert/index.ts';
import { padSequences } from '../bert/padding.ts';
import { badInput, shown } from '../support/errors.ts';
import { ModelProgram, softmax, type ModelProgramOptions } from './model-program.ts';

export interface SentencePair {
  readonly first: string;
  readonly second: string;
}

export interface NextSentenceScores {
  /** The probability that the second text follows the first. */
  readonly isNext: number;
  /** The probability that it is from elsewhere: the rest. */
  readonly isRandom: number;
  /** Of the two, before the softmax. */
  readonly logits: readonly [isNext: number, isRandom: number];
}

export class NextSentence {
  readonly #program: ModelProgram<'logits'>;

  private constructor(program: ModelProgram<'logits'>) {
    this.#program = program;
  }

  /** @throws BertramError naming the parameters that the model lacks, such as the head of `BertForMaskedLM`'s */
  static async load(options: ModelProgramOptions = {}): Promise<NextSentence> {
    const program = await ModelProgram.load(
      (...model) => ({ logits: bertForNextSentencePrediction(...model) }),
      options,
    );
    const { name, config } = program;
    if (config.typeVocabSize < 2) {
      badInput(`${name}: type_vocab_size`, '2 or more, for first and second', `${config.typeVocabSize}`);
    }
    return new NextSentence(program);
  }

  /** @throws BertramError `bad-input` for a text with nothing to read, or texts too long for the model together */
  async score({ first, second }: SentencePair): Promise<NextSentenceScores> {
    const { tokenizer, config } = this.#program;
    const pieces = { first: tokenizer.encode(first).ids, second: tokenizer.encode(second).ids };
    for (const [where, ids] of Object.entries(pieces)) {
      const text = where === 'first' ? first : second;
      if (ids.length === 0) badInput(where, 'a text with something to read', shown(text));
    }
    const [a, b] = [pieces.first.length, pieces.second.length];
    const room = config.maxPositionEmbeddings - 3;
    if (a + b > room) badInput('first and second', `at most ${room} pieces together`, `${a} and ${b}`);

    const { clsId, sepId } = tokenizer;
    const inputIds = Int32Array.of(clsId, ...pieces.first, sepId, ...pieces.second, sepId);
    const tokenTypeIds = new Uint8Array(inputIds.length).fill(1, a + 2);
    const feeds = padSequences([{ inputIds, tokenTypeIds }], config.padTokenId);
    const { logits } = await this.#program.run(feeds);
    const [isNext, isRandom] = softmax(logits) as unknown as [number, number];
    return { isNext, isRandom, logits: [logits[0]!, logits[1]!] };
  }

  /** Frees the engine's memory. */
  async release(): Promise<void> {
    await this.#program.release();
  }
}
