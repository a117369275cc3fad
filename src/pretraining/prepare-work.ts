/** The two kinds of work that `prepare` gives to its threads: to tokenize text, and to make a shard of documents. */
import { join } from 'node:path';
import { writeSafetensors } from '../checkpoint/index.ts';
import { Random } from '../support/random.ts';
import { BertTokenizer } from '../tokenizers/index.ts';
import { Corpus } from './corpus-file.ts';
import { ExampleShuffle } from './example-shuffle.ts';
import { fileSha256 } from '../checkpoint/file-checksum.ts';
import { Masker } from './masking.ts';
import { formatRecord } from './manifest.ts';
import type { Part, Recipe, ShardRecord } from './manifest.ts';
import { segmentPairs } from './pairs.ts';
import type { SegmentPair } from './pairs.ts';
import { pieceArray, TextTokenizer } from './tokenized-text.ts';
import type { TokenizedText } from './tokenized-text.ts';

/** What every thread is told at its start. */
export interface WorkSettings {
  readonly recipe: Recipe;
  readonly vocabularyText: string;
  /** Where the tokenized corpus lies. */
  readonly corpusDirectory: string;
}

export interface ShardJob {
  readonly part: Part;
  readonly number: number;
  readonly directory: string;
  /** The documents that become examples, in this order. */
  readonly documents: Uint32Array;
  /** The documents that random second segments come from. */
  readonly candidates: Uint32Array;
}

export interface PrepareWorker {
  tokenize(bytes: Uint8Array<ArrayBuffer>): Promise<TokenizedText>;
  writeShard(job: ShardJob): Promise<ShardRecord>;
  close(): Promise<void>;
}

/** Does the work in the thread that calls it. */
export class PrepareWork implements PrepareWorker {
  readonly #settings: WorkSettings;
  readonly #tokenizer: BertTokenizer;
  readonly #text: TextTokenizer;
  #corpus: Promise<Corpus> | undefined;

  constructor(settings: WorkSettings) {
    const { recipe, vocabularyText } = settings;
    this.#settings = settings;
    // Special tokens that stand in a text are text like any other.
    this.#tokenizer = BertTokenizer.fromVocab(vocabularyText, {
      lowercase: recipe.lowercase,
      addedTokens: [],
    });
    this.#text = new TextTokenizer(this.#tokenizer, recipe.sentencePerLine);
  }

  tokenize(bytes: Uint8Array): Promise<TokenizedText> {
    return Promise.resolve().then(() => this.#text.tokenize(bytes));
  }

  /**
   * Makes the examples of some documents, and writes them in a random order. All draws come from one stream, keyed by
   * the seed and the shard, so that it does not matter which thread makes it, and when.
   */
  async writeShard({ part, number, directory, documents, candidates }: ShardJob): Promise<ShardRecord> {
    const { recipe, corpusDirectory } = this.#settings;
    this.#corpus ??= Corpus.open(corpusDirectory, recipe.vocabularySize);
    const corpus = await this.#corpus;
    const random = new Random(recipe.seed, `${part}/shard-${number}`);
    const masker = new Masker(this.#maskingOptions(), recipe.maxSeqLength);
    const examples = new ExampleShuffle(recipe.vocabularySize);
    const sequence = pieceArray(recipe.maxSeqLength, recipe.vocabularySize);
    for (const document of documents) {
      corpus.load(document);
      for (const pair of segmentPairs(document, corpus, candidates, recipe, random)) {
        const { inputIds, secondSegment } = this.#assemble(corpus, pair, sequence);
        const count = masker.mask(inputIds, secondSegment, random);
        const example = {
          inputIds,
          secondSegment,
          maskedLmPositions: masker.positions.subarray(0, count),
          maskedLmIds: masker.labels.subarray(0, count),
          nextSentenceLabel: pair.isRandomNext ? (1 as const) : (0 as const),
        };
        examples.add(example, pair.truncated);
      }
    }
    const file = shardFile(number);
    const path = join(directory, file);
    const metadata = { vocabulary_sha256: recipe.vocabularySha256, recipe: formatRecord(recipe) };
    await writeSafetensors(path, examples.tensors(random), metadata);
    return { file, sha256: await fileSha256(path), ...examples.counts };
  }

  async close(): Promise<void> {
    (await this.#corpus)?.close();
  }

  /** `[CLS] A [SEP] B [SEP]`, in the first part of `sequence`. */
  #assemble(corpus: Corpus, { first, second }: SegmentPair, sequence: Uint16Array | Int32Array) {
    const secondSegment = first.end - first.begin + 2;
    const length = secondSegment + second.end - second.begin + 1;
    const inputIds = sequence.subarray(0, length);
    inputIds[0] = this.#tokenizer.clsId;
    corpus.readPieces(first, inputIds.subarray(1, secondSegment - 1));
    inputIds[secondSegment - 1] = this.#tokenizer.sepId;
    corpus.readPieces(second, inputIds.subarray(secondSegment, length - 1));
    inputIds[length - 1] = this.#tokenizer.sepId;
    return { inputIds, secondSegment };
  }

  #maskingOptions() {
    const { recipe } = this.#settings;
    const { vocabularySize, maskedLmProb, maxPredictionsPerSeq, wholeWordMask } = recipe;
    const options = {
      vocabularySize,
      maskId: this.#tokenizer.maskId,
      maskedLmProb,
      maxPredictionsPerSeq,
    };
    if (!wholeWordMask) return options;
    const continuations = Uint8Array.from({ length: vocabularySize }, (_, id) =>
      this.#tokenizer.isContinuation(id) ? 1 : 0,
    );
    return { ...options, continuations };
  }
}

export function shardFile(number: number): string {
  return `shard-${String(number).padStart(5, '0')}.safetensors`;
}
