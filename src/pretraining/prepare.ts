/**
 * Corpus to pretraining shards, in two passes: text is tokenized into a file of sentences; then documents are drawn from
 * it in a random order, `dupeFactor` times, and each few million pieces of them become a shard.
 *
 * The result depends on the recipe alone, not on how many threads there are, nor on how often the run was interrupted:
 * every shard draws from a random stream of its own. What is done is kept in `.prepare/` until all is done, so that a
 * run that was killed goes on: the tokenized corpus, and the record of every shard that is complete.
 *
 * Reference: `create_pretraining_data.py` of google-research/bert.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { readTextFile } from '../checkpoint/text-file.ts';
import { onFirstRank, singleProcess, type Communicator } from '../distributed/index.ts';
import { badInput } from '../support/errors.ts';
import { Vocabulary } from '../tokenizers/index.ts';
import type { CorpusCounts } from './corpus-file.ts';
import { tokenizeCorpus } from './corpus-pass.ts';
import type { CorpusPassEvent } from './corpus-pass.ts';
import { textSha256 } from '../checkpoint/file-checksum.ts';
import { formatRecord, MANIFEST_FILE, parseRecord, schemas } from './manifest.ts';
import type { Manifest, Recipe } from './manifest.ts';
import { claimDirectory, finishedShards, workDirectoryOf, writeState } from './prepare-directory.ts';
import type { FinishedShards } from './prepare-directory.ts';
import { startThread } from './prepare-thread.ts';
import { PrepareWork } from './prepare-work.ts';
import type { PrepareWorker, WorkSettings } from './prepare-work.ts';
import { writeParts } from './shard-pass.ts';
import type { ShardPassEvent } from './shard-pass.ts';
import { planParts } from './shard-plan.ts';
import { identify } from './text-input.ts';

export interface PrepareOptions extends Omit<
  Recipe,
  'inputs' | 'vocabularySha256' | 'vocabularySize' | 'shardPieces'
> {
  /** Text files, plain or gzipped. */
  readonly inputs: readonly string[];
  readonly outputDir: string;
  /** A `vocab.txt`. */
  readonly vocab: string;
  /** Source pieces that become one shard. Default 4 Mi, about 8 MB of file. */
  readonly shardPieces?: number;
  /** Threads; with one, all is done in the caller's. */
  readonly workers: number;
  /** The ranks that share the shards; their output directory must be the same one. Alone unless told. */
  readonly ranks?: Communicator;
  readonly onEvent?: (event: PrepareEvent) => void;
}

export type PrepareEvent =
  /** An unfinished run of the same recipe is continued, with its tokenized corpus. */
  { readonly type: 'resumed' } | CorpusPassEvent | ShardPassEvent;

export interface PrepareResult extends FinishedShards {
  /** Undefined if everything had been done before. */
  readonly corpus: CorpusCounts | undefined;
}

const SHARD_PIECES = 1 << 22;

/**
 * Where several ranks prepare together, they tokenize in turns and make shards in turns; rank 0 alone writes all else, and
 * tells events.
 *
 * @throws BertramError `bad-input` for options, texts or a vocabulary that cannot be used, and for a directory that holds
 * anything but the same run; `not-found` for absent files; `failed` when the file system fails
 */
export async function prepare(options: PrepareOptions): Promise<PrepareResult> {
  const { outputDir, onEvent = () => undefined, ranks = singleProcess } = options;
  const emit = ranks.rank === 0 ? onEvent : () => undefined;
  const vocabularyText = await readTextFile(options.vocab);
  const recipe = await onFirstRank(ranks, () => recipeOf(options, vocabularyText));
  const finished = await onFirstRank(ranks, () => finishedShards(outputDir, recipe));
  if (finished !== undefined) return { corpus: undefined, ...finished };

  const workDirectory = workDirectoryOf(outputDir);
  const settings = { recipe, vocabularyText, corpusDirectory: workDirectory };
  const workers = startWorkers(options.workers, settings);
  try {
    const corpus = await tokenizedCorpus(options, settings, workers, ranks, emit);
    const parts = await planParts(outputDir, settings, corpus, options.inputs);
    const manifests = await writeParts(parts, workDirectory, workers, ranks, emit);
    await onFirstRank(ranks, async () => {
      for (const [i, { directory }] of parts.entries())
        await completeDirectory(directory, vocabularyText, manifests[i]!);
      await rm(workDirectory, { recursive: true });
    });
    return {
      corpus,
      training: manifests.at(-1)!,
      heldOut: manifests.length > 1 ? manifests[0] : undefined,
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
  }
}

/** The corpus in the work directory, of an unfinished run or new. From here on, a run that is killed can be gone on with. */
async function tokenizedCorpus(
  { outputDir, inputs }: PrepareOptions,
  settings: WorkSettings,
  workers: readonly PrepareWorker[],
  ranks: Communicator,
  emit: (event: PrepareEvent) => void,
): Promise<CorpusCounts> {
  const { recipe, corpusDirectory } = settings;
  const known = await onFirstRank(ranks, () => claimDirectory(outputDir, recipe));
  if (known !== undefined) {
    emit({ type: 'resumed' });
    return known.corpus;
  }
  try {
    const corpus = await tokenizeCorpus(inputs, corpusDirectory, workers, ranks, emit);
    await onFirstRank(ranks, async () => {
      await planParts(outputDir, settings, corpus, inputs); // refuses a corpus that has too few documents
      await writeState(outputDir, { recipe, corpus });
    });
    return corpus;
  } catch (error) {
    if (ranks.rank === 0) await rm(corpusDirectory, { recursive: true, force: true });
    throw error;
  }
}

async function recipeOf(options: PrepareOptions, vocabularyText: string): Promise<Recipe> {
  const { inputs, vocab } = options;
  if (inputs.length === 0) badInput('prepare', 'at least one text file', 'none');
  const vocabulary = Vocabulary.parse(vocabularyText, vocab);
  for (const token of ['[UNK]', '[CLS]', '[SEP]', '[MASK]']) vocabulary.require(token, vocab);
  const files = [];
  for (const path of inputs) files.push(await identify(path));
  const recipe = {
    inputs: files,
    vocabularySha256: textSha256(vocabularyText),
    vocabularySize: vocabulary.size,
    lowercase: options.lowercase,
    sentencePerLine: options.sentencePerLine,
    wholeWordMask: options.wholeWordMask,
    maxSeqLength: options.maxSeqLength,
    maxPredictionsPerSeq: options.maxPredictionsPerSeq,
    maskedLmProb: options.maskedLmProb,
    shortSeqProb: options.shortSeqProb,
    dupeFactor: options.dupeFactor,
    heldOut: options.heldOut,
    shardPieces: options.shardPieces ?? SHARD_PIECES,
    seed: options.seed,
  };
  return parseRecord(schemas.recipe, formatRecord(recipe), 'prepare');
}

function startWorkers(count: number, settings: WorkSettings): PrepareWorker[] {
  return count === 1
    ? [new PrepareWork(settings)]
    : Array.from({ length: count }, () => startThread(settings));
}

/** Puts beside the shards what belongs to them, the manifest last: with it the directory is complete. */
async function completeDirectory(
  directory: string,
  vocabularyText: string,
  manifest: Manifest,
): Promise<void> {
  const tokenizer = { tokenizerClass: 'BertTokenizer', doLowerCase: manifest.recipe.lowercase };
  await writeFileAtomic(join(directory, 'vocab.txt'), vocabularyText);
  await writeFileAtomic(join(directory, 'tokenizer_config.json'), formatRecord(tokenizer));
  await writeFileAtomic(join(directory, MANIFEST_FILE), formatRecord(manifest));
}
