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
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { fileError } from '../checkpoint/file-error.ts';
import { readTextFile, readTextFileIfPresent } from '../checkpoint/text-file.ts';
import { badInput } from '../support/errors.ts';
import { Random } from '../support/random.ts';
import { Vocabulary } from '../tokenizers/index.ts';
import { Corpus, CorpusWriter } from './corpus-file.ts';
import type { CorpusCounts } from './corpus-file.ts';
import { fileSha256, textSha256 } from './file-checksum.ts';
import {
  differenceOf,
  formatRecord,
  MANIFEST_FILE,
  parseRecord,
  readManifest,
  schemas,
  totalCounts,
} from './manifest.ts';
import type { Manifest, Part, Recipe, ShardRecord } from './manifest.ts';
import { inOrder } from './ordered-work.ts';
import { startThread } from './prepare-thread.ts';
import { PrepareWork } from './prepare-work.ts';
import type { PrepareWorker, ShardJob, WorkSettings } from './prepare-work.ts';
import { identify, textBatches } from './text-input.ts';
import { BadLine } from './tokenized-text.ts';

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
  readonly onEvent?: (event: PrepareEvent) => void;
}

export type PrepareEvent =
  /** An unfinished run of the same recipe is continued, with its tokenized corpus. */
  | { readonly type: 'resumed' }
  | { readonly type: 'tokenizing'; readonly bytes: number }
  | { readonly type: 'tokenized'; readonly counts: CorpusCounts }
  | {
      readonly type: 'shard';
      readonly part: Part;
      readonly shard: ShardRecord;
      readonly reused: boolean;
      /** Source pieces of all parts, duplicates included. */
      readonly piecesDone: number;
      readonly pieces: number;
    };

export interface PrepareResult {
  /** Undefined if everything had been done before. */
  readonly corpus: CorpusCounts | undefined;
  readonly training: Manifest;
  readonly heldOut: Manifest | undefined;
}

const SHARD_PIECES = 1 << 22;
const WORK_DIRECTORY = '.prepare';
const STATE_FILE = 'state.json';
const HELD_OUT_DIRECTORY = 'held-out';
/** A random second segment needs another document to come from. */
const LEAST_DOCUMENTS = 2;

/** What a run knows of itself once its corpus is tokenized. */
const stateFile = z.strictObject({
  recipe: schemas.recipe,
  corpus: z.strictObject({
    documents: z.int(),
    emptyDocuments: z.int(),
    sentences: z.int(),
    pieces: z.int(),
  }),
});

/**
 * @throws BertramError `bad-input` for options, texts or a vocabulary that cannot be used, and for a directory that holds
 * anything but the same run; `not-found` for absent files; `failed` when the file system fails
 */
export async function prepare(options: PrepareOptions): Promise<PrepareResult> {
  const { outputDir, onEvent: emit = () => undefined } = options;
  const vocabularyText = await readTextFile(options.vocab);
  const recipe = await recipeOf(options, vocabularyText);
  const done = await finishedResult(outputDir, recipe);
  if (done !== undefined) return done;

  const workDirectory = join(outputDir, WORK_DIRECTORY);
  const settings = { recipe, vocabularyText, corpusDirectory: workDirectory };
  let isClaimed = await claimDirectory(outputDir, workDirectory, recipe);
  const workers = startWorkers(options.workers, settings);
  try {
    const statePath = join(workDirectory, STATE_FILE);
    const known = isClaimed ? await readState(statePath) : undefined;
    if (known !== undefined) emit({ type: 'resumed' });
    const corpus = known?.corpus ?? (await tokenizeCorpus(options.inputs, workDirectory, workers, emit));
    const parts = await planParts(outputDir, settings, corpus, options.inputs);
    if (!isClaimed) await writeFileAtomic(statePath, formatRecord({ recipe, corpus }));
    isClaimed = true;
    const manifests = await writeParts(parts, workDirectory, workers, emit);
    for (const [i, { directory }] of parts.entries()) {
      await writeFileAtomic(join(directory, 'vocab.txt'), vocabularyText);
      const tokenizer = { tokenizerClass: 'BertTokenizer', doLowerCase: recipe.lowercase };
      await writeFileAtomic(join(directory, 'tokenizer_config.json'), formatRecord(tokenizer));
      await writeFileAtomic(join(directory, MANIFEST_FILE), formatRecord(manifests[i]!));
    }
    await rm(workDirectory, { recursive: true });
    return { corpus, training: manifests.at(-1)!, heldOut: manifests.length > 1 ? manifests[0] : undefined };
  } catch (error) {
    // Nothing of it could be gone on with.
    if (!isClaimed) await rm(workDirectory, { recursive: true, force: true });
    throw error;
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
  }
}

function startWorkers(count: number, settings: WorkSettings): PrepareWorker[] {
  return count === 1
    ? [new PrepareWork(settings)]
    : Array.from({ length: count }, () => startThread(settings));
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

/** What a run of this recipe has left in the directory, if it is complete and every checksum holds. */
async function finishedResult(directory: string, recipe: Recipe): Promise<PrepareResult | undefined> {
  const training = await readManifest(directory);
  if (training === undefined) return undefined;
  refuseOther(directory, training.recipe, recipe);
  const heldOutDirectory = join(directory, HELD_OUT_DIRECTORY);
  const heldOut = recipe.heldOut > 0 ? await readManifest(heldOutDirectory) : undefined;
  await verifyShards(directory, training);
  if (heldOut !== undefined) await verifyShards(heldOutDirectory, heldOut);
  return { corpus: undefined, training, heldOut };
}

async function verifyShards(directory: string, { shards }: Manifest): Promise<void> {
  for (const { file, sha256 } of shards) {
    const path = join(directory, file);
    const got = await fileSha256(path);
    if (got !== sha256) badInput(path, `the file that was written, with SHA-256 ${sha256}`, got);
  }
}

/**
 * Looks for a place to work in: a directory that is new, empty, or has an unfinished run of the same recipe.
 * @returns whether there is such a run to go on with
 */
async function claimDirectory(directory: string, workDirectory: string, recipe: Recipe): Promise<boolean> {
  const state = await readState(join(workDirectory, STATE_FILE));
  if (state !== undefined) {
    refuseOther(directory, state.recipe, recipe);
    for (const part of [directory, join(directory, HELD_OUT_DIRECTORY)]) await removeTemporaryFiles(part);
    return true;
  }
  try {
    await mkdir(directory, { recursive: true });
    const others = (await readdir(directory)).filter((name) => name !== WORK_DIRECTORY);
    if (others.length > 0) badInput(directory, 'an empty directory', `one with ${others[0]!} in it`);
    await mkdir(workDirectory, { recursive: true });
  } catch (error) {
    throw fileError(directory, 'cannot be written', error);
  }
  return false;
}

async function readState(path: string): Promise<z.infer<typeof stateFile> | undefined> {
  const text = await readTextFileIfPresent(path);
  return text === undefined ? undefined : parseRecord(stateFile, text, path);
}

/** What a run that was killed while it wrote a file has left of it. */
async function removeTemporaryFiles(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  const temporary = names.filter((name) => name.startsWith('.') && name.endsWith('.tmp'));
  for (const name of temporary) await rm(join(directory, name), { force: true });
}

function refuseOther(directory: string, found: Recipe, wanted: Recipe): void {
  const difference = differenceOf(found, wanted);
  if (difference !== undefined)
    badInput(
      directory,
      'an empty directory or shards of the same recipe',
      `shards with another ${difference}`,
    );
}

/** The first pass. */
async function tokenizeCorpus(
  inputs: readonly string[],
  workDirectory: string,
  workers: readonly PrepareWorker[],
  emit: (event: PrepareEvent) => void,
): Promise<CorpusCounts> {
  const writer = await CorpusWriter.create(workDirectory);
  try {
    await tokenizeInto(writer, inputs, workers, emit);
    const counts = await writer.finish();
    emit({ type: 'tokenized', counts });
    if (counts.documents < LEAST_DOCUMENTS) {
      const expected =
        'at least two documents, with a blank line between, so that a second segment can be random';
      badInput(inputs.join(', '), expected, String(counts.documents));
    }
    return counts;
  } finally {
    await writer.close();
  }
}

async function tokenizeInto(
  writer: CorpusWriter,
  inputs: readonly string[],
  workers: readonly PrepareWorker[],
  emit: (event: PrepareEvent) => void,
): Promise<void> {
  let path: string | undefined;
  let lines = 0;
  let bytes = 0;
  const tokenized = inOrder(textBatches(inputs), workers, async (worker, batch) => {
    const size = batch.bytes.length; // asked before the bytes are handed over to another thread
    try {
      return { batch, size, text: await worker.tokenize(batch.bytes) };
    } catch (error) {
      if (error instanceof BadLine) return { batch, size, error };
      throw error;
    }
  });
  for await (const { batch, size, ...outcome } of tokenized) {
    if (batch.path !== path) lines = 0;
    path = batch.path;
    if ('error' in outcome) {
      const { line, expected, got } = outcome.error;
      badInput(`${path}: line ${lines + line + 1}`, expected, got);
    }
    await writer.append(outcome.text);
    if (batch.endsFile) writer.endFile();
    lines += outcome.text.lines;
    bytes += size;
    emit({ type: 'tokenizing', bytes });
  }
}

/** Documents that become shards of one directory. */
interface PartPlan {
  readonly part: Part;
  readonly directory: string;
  readonly recipe: Recipe;
  /** In the order of the corpus, in memory that threads share. */
  readonly documents: Uint32Array;
  /** Pieces of each document of the corpus. */
  readonly sizes: Uint32Array;
}

/** Splits the documents, by a draw of so many of them, into those held out (if any) and those to train on. */
async function planParts(
  outputDir: string,
  { recipe, corpusDirectory }: WorkSettings,
  { documents: count }: CorpusCounts,
  inputs: readonly string[],
): Promise<PartPlan[]> {
  const corpus = await Corpus.open(corpusDirectory, recipe.vocabularySize);
  const sizes = Uint32Array.from({ length: count }, (_, document) => corpus.pieceCount(document));
  corpus.close();
  const order = new Random(recipe.seed, 'held-out').shuffle(Uint32Array.from(sizes.keys()));
  const heldOutCount = Math.round(recipe.heldOut * count);
  const plan = (part: Part, documents: Uint32Array, directory: string): PartPlan => {
    if (documents.length < LEAST_DOCUMENTS)
      badInput(inputs.join(', '), `at least two ${part} documents`, `${documents.length} of ${count}`);
    const shared = new Uint32Array(new SharedArrayBuffer(documents.byteLength));
    shared.set(documents.slice().sort());
    return { part, directory, recipe, documents: shared, sizes };
  };
  const training = plan('training', order.subarray(heldOutCount), outputDir);
  if (recipe.heldOut === 0) return [training];
  const heldOut = plan('held-out', order.subarray(0, heldOutCount), join(outputDir, HELD_OUT_DIRECTORY));
  return [heldOut, training];
}

/** The second pass. */
async function writeParts(
  parts: readonly PartPlan[],
  workDirectory: string,
  workers: readonly PrepareWorker[],
  emit: (event: PrepareEvent) => void,
): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  const sizeOf = ({ documents, sizes, recipe }: PartPlan): number =>
    recipe.dupeFactor * documents.reduce((sum, document) => sum + sizes[document]!, 0);
  const pieces = parts.reduce((sum, part) => sum + sizeOf(part), 0);
  let piecesDone = 0;
  for (const plan of parts) {
    const { part, directory, recipe, documents, sizes } = plan;
    await mkdir(directory, { recursive: true });
    const shards: ShardRecord[] = [];
    const written = inOrder(shardJobs(plan), workers, async (worker, job) => {
      const recordPath = join(workDirectory, `${part}-${job.number}.json`);
      const finished = await finishedShard(recordPath, directory);
      const shard = finished ?? (await worker.writeShard(job));
      if (finished === undefined) await writeFileAtomic(recordPath, formatRecord(shard));
      const size = job.documents.reduce((sum, document) => sum + sizes[document]!, 0);
      return { shard, size, reused: finished !== undefined };
    });
    for await (const { shard, size, reused } of written) {
      piecesDone += size;
      shards.push(shard);
      emit({ type: 'shard', part, shard, reused, piecesDone, pieces });
    }
    manifests.push({
      format: 'bertram-pretraining-shards',
      version: 1,
      part,
      documents: documents.length,
      recipe,
      counts: totalCounts(shards),
      shards,
    });
  }
  return manifests;
}

/**
 * Every document `dupeFactor` times: the corpus in one random order after the other, each cut into shards of about equal
 * size.
 */
function* shardJobs({ part, directory, recipe, documents, sizes }: PartPlan): Generator<ShardJob> {
  const total = documents.reduce((sum, document) => sum + sizes[document]!, 0);
  const shardsPerPass = Math.max(1, Math.round(total / recipe.shardPieces));
  let number = 0;
  for (let pass = 0; pass < recipe.dupeFactor; pass++) {
    const order = new Random(recipe.seed, `${part}/order-${pass}`).shuffle(documents.slice());
    let begin = 0;
    let pieces = 0;
    for (let i = 0; i < order.length; i++) {
      const shard = Math.floor((pieces * shardsPerPass) / total);
      pieces += sizes[order[i]!]!;
      const isLast = i === order.length - 1;
      if (!isLast && Math.floor((pieces * shardsPerPass) / total) === shard) continue;
      yield { part, number, directory, documents: order.slice(begin, i + 1), candidates: documents };
      begin = i + 1;
      number++;
    }
  }
}

/** The record of a shard that an earlier run completed, if the file is what the record says. */
async function finishedShard(recordPath: string, directory: string): Promise<ShardRecord | undefined> {
  const text = await readTextFileIfPresent(recordPath);
  if (text === undefined) return undefined;
  const record = parseRecord(schemas.shard, text, recordPath);
  const sha256 = await fileSha256(join(directory, record.file)).catch(() => undefined);
  return sha256 === record.sha256 ? record : undefined;
}
