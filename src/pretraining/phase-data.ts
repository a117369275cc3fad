/** The shards of a phase with the vocabulary they were made with, and examples to evaluate on: opened, and agreeing. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readTextFile, type ModelDirectory } from '../checkpoint/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { PretrainingExamples } from './example.ts';
import { openPretrainingExamples } from './pretraining-examples.ts';
import {
  vocabularyFiles,
  vocabularyOfModel,
  vocabularyOfShards,
  type VocabularyFiles,
} from './vocabulary-files.ts';

/** Where `prepare` puts what is not for training, below its shards. */
const HELD_OUT = 'held-out';

export interface PhaseDataOptions {
  readonly data: string;
  /** A `vocab.txt` instead of the one beside the shards. */
  readonly vocab?: { readonly path: string; readonly uncased: boolean };
  /** The model that training starts from. Its vocabulary must be that of the shards. */
  readonly initFrom?: ModelDirectory;
  /** Open examples to evaluate on: those of a directory, or the `held-out` ones beside the shards. */
  readonly heldOut?: string | true;
}

export interface PhaseData {
  readonly examples: PretrainingExamples;
  readonly heldOut: PretrainingExamples | undefined;
  readonly vocabulary: VocabularyFiles;
  close(): void;
}

/**
 * @throws BertramError `not-found` where there are no shards, vocabulary or held-out examples; `bad-input` where they
 * are malformed, or the vocabularies differ
 */
export async function openPhaseData(options: PhaseDataOptions): Promise<PhaseData> {
  const { data, initFrom } = options;
  const examples = await openPretrainingExamples(data);
  let heldOut: PretrainingExamples | undefined;
  const close = (): void => {
    examples.close();
    heldOut?.close();
  };
  try {
    const vocabulary = await vocabularyOf(options);
    requireSame(data, vocabulary, examples.vocabularySha256, 'the vocabulary of its vocab.txt');
    const ofModel = initFrom && vocabularyOfModel(initFrom);
    if (ofModel !== undefined)
      requireSame(data, ofModel, vocabulary.sha256, `the vocabulary of ${initFrom!.path}`);
    heldOut = await openHeldOut(options);
    if (heldOut !== undefined)
      requireSame(heldOutPath(options)!, vocabulary, heldOut.vocabularySha256, `the vocabulary of ${data}`);
    return { examples, heldOut, vocabulary, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function vocabularyOf({ data, vocab, initFrom }: PhaseDataOptions): Promise<VocabularyFiles> {
  if (vocab !== undefined) return vocabularyFiles(await readTextFile(vocab.path), vocab.uncased, vocab.path);
  const found = (await vocabularyOfShards(data)) ?? (initFrom && vocabularyOfModel(initFrom));
  return found ?? notFound(data, 'shards with a vocab.txt beside them, or a vocabulary for them', 'none');
}

const heldOutPath = ({ data, heldOut }: PhaseDataOptions): string | undefined =>
  heldOut === true ? join(data, HELD_OUT) : heldOut;

async function openHeldOut(options: PhaseDataOptions): Promise<PretrainingExamples | undefined> {
  const path = heldOutPath(options);
  if (path === undefined) return undefined;
  if ((await stat(path).catch(() => undefined)) === undefined)
    notFound(path, 'held-out examples to evaluate on', 'no such directory');
  return openPretrainingExamples(path);
}

/** Records that others wrote do not say which vocabulary they were made with. */
function requireSame(where: string, vocabulary: VocabularyFiles, sha256: string, expected: string): void {
  if (sha256 === '' || sha256 === vocabulary.sha256) return;
  const short = (digits: string): string => digits.slice(0, 12);
  badInput(where, `${expected} (SHA-256 ${short(vocabulary.sha256)}…)`, `another (${short(sha256)}…)`);
}

function notFound(where: string, expected: string, got: string): never {
  throw new BertramError('not-found', `${where}: expected ${expected}, got ${got}`);
}
