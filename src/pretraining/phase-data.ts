/** The examples of a phase with the vocabulary they were made with, and those to evaluate on: opened, and agreeing. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelDirectory } from '../checkpoint/index.ts';
import { badInput, BertramError } from '../support/errors.ts';
import type { PretrainingExamples } from './example.ts';
import { HELD_OUT_DIRECTORY } from './manifest.ts';
import { openPretrainingExamples } from './pretraining-examples.ts';
import { vocabularyOfExamples, vocabularyOfModel, type VocabularyFiles } from './vocabulary-files.ts';

export interface PhaseDataOptions {
  /** Shards of `prepare`, or TFRecord files. */
  readonly data: string;
  /** Whether the vocabulary of TFRecord files is of text in lower case; shards say for themselves. */
  readonly uncased?: boolean;
  /** The model that training starts from. Its vocabulary must be that of the examples. */
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
 * @throws BertramError `not-found` where there are no examples, no vocabulary or nothing held out; `bad-input` where they
 * are malformed, or the vocabularies differ
 */
export async function openPhaseData(options: PhaseDataOptions): Promise<PhaseData> {
  const { data, initFrom, uncased = false } = options;
  const examples = await openPretrainingExamples(data);
  let heldOut: PretrainingExamples | undefined;
  const close = (): void => {
    examples.close();
    heldOut?.close();
  };
  try {
    const vocabulary = await vocabularyOfExamples(data, uncased);
    const ofModel = initFrom && vocabularyOfModel(initFrom);
    if (ofModel !== undefined) requireSame(data, ofModel.sha256, vocabulary.sha256, initFrom!.path);
    const heldOutPath = options.heldOut === true ? join(data, HELD_OUT_DIRECTORY) : options.heldOut;
    if (heldOutPath !== undefined) {
      heldOut = await openHeldOut(heldOutPath);
      requireSame(heldOutPath, vocabulary.sha256, heldOut.vocabularySha256, data);
    }
    return { examples, heldOut, vocabulary, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function openHeldOut(path: string): Promise<PretrainingExamples> {
  if ((await stat(path).catch(() => undefined)) === undefined) {
    const expected = 'held-out examples to evaluate on';
    throw new BertramError('not-found', `${path}: expected ${expected}, got no such directory`);
  }
  return openPretrainingExamples(path);
}

function requireSame(where: string, expected: string, got: string, whose: string): void {
  if (expected === got) return;
  const short = (sha256: string): string => `${sha256.slice(0, 12)}…`;
  badInput(where, `the vocabulary of ${whose} (SHA-256 ${short(expected)})`, `another (${short(got)})`);
}
